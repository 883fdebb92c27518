"""The colour mode of an image as it is stored, by what the facts say of its source."""

from __future__ import annotations

from typing import Final

from pipeline.images.prepare import ImageOptions

_KEPT: Final = frozenset(
    {"L", "RGB", "CMYK", "YCCK", "P", "LA", "RGBA", "I;16", "RGB;16", "LA;16", "RGBA;16"}
)
_COLOURS: Final = frozenset({"RGB", "CMYK", "YCCK", "RGBA", "RGB;16", "RGBA;16"})
_AS_IT_IS: Final = -1
_UNCHANGED: Final = frozenset({"L", "RGB"})


def stored_mode(source: str, options: ImageOptions, *, repaired: bool) -> str | None:
    """Return the mode that an image has where it is stored.

    Args:
        source: mode of the source, as `ImageHeader.mode`; or the name of another format.
        options: how images are stored.
        repaired: whether this one was encoded anew as an RGB JPEG.

    Returns:
        A mode as of `ImageHeader`. None where it depends on the image's own EXIF orientation,
        which the facts do not have: of the odd modes under ``--orientation bake``; or on its
        transparency: with color -1, of all but JPEGs made of colours.
    """
    if repaired:
        return "RGB"
    if options.encodes and options.color == _AS_IT_IS:
        return "RGB" if source in _COLOURS and options.encoding != ".png" else None
    if options.encodes:
        return "L" if options.color == 0 else "RGB"
    if source not in _KEPT:  # GIF, WebP, ...: all become RGB
        return "RGB"
    if options.orientation == "bake" and source not in _UNCHANGED:
        return None
    return source
