"""Numbers of things in messages: 1 image, 2 images, 1,281,167 images."""

from __future__ import annotations

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


def verb(number: int, singular: str, plural: str) -> str:
    """Return the form of a verb that goes with a number: 1 image is, 2 images are."""
    return singular if number == 1 else plural
