"""Numbers of things in messages: 1 image, 2 images, 1,281,167 images."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000
_HISSING = ("s", "x", "ch", "sh")


def counted(number: int, noun: str) -> str:
    """Return a number and what it counts.

    Args:
        number: how many there are.
        noun: what one of them is called, such as ``image``, ``box`` or ``class group``; its plural
            is a regular one.
    """
    ending = "" if number == 1 else "es" if noun.endswith(_HISSING) else "s"
    return f"{number:,} {noun}{ending}"


def size(count: float) -> str:
    """Return bytes in decimal units: 1.48 GB."""
    place = 0
    while count >= _STEP and place < len(_UNITS) - 1:
        count /= _STEP
        place += 1
    return f"{count:.0f} {_UNITS[0]}" if place == 0 else f"{count:.2f} {_UNITS[place]}"


def verb(number: int, singular: str, plural: str) -> str:
    """Return the form of a verb that goes with a number: 1 image is, 2 images are."""
    return singular if number == 1 else plural
