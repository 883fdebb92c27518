"""Bounds on the size of a picture, checked before memory is taken for its pixels."""

from __future__ import annotations

from typing import Final

from pipeline.errors import BadImage
from pipeline.images.header import ImageHeader

MAX_PIXELS: Final = 128 << 20
"""Pixels of a picture that is decoded, or made: half a GiB, four bytes each."""
MAX_SIDE: Final = 65_500
"""Pixels on a side: libjpeg's JPEG_MAX_DIMENSION."""

# At most: a JPEG has a bit for a block of 64; deflate makes 1,032 bytes of one, of 8 pixels each.
_PIXELS_OF_A_BYTE: Final = {"JPEG": 8 * 64, "PNG": 1032 * 8}
_REMEDY: Final = "leave the image out with --on-bad-image skip, or replace it by a smaller one"


def check_claim(header: ImageHeader, size: int) -> None:
    """Refuse a picture that claims too many pixels.

    Args:
        header: what the picture claims.
        size: bytes that it has.

    Raises:
        BadImage: it has more pixels than are decoded, or than so many bytes can hold.
    """
    check_size(header.width, header.height, "picture too large to decode")
    most = size * _PIXELS_OF_A_BYTE.get(header.format, MAX_PIXELS)
    if header.width * header.height > most:
        raise BadImage(
            f"{header.format} of more pixels than its bytes can hold",
            expected=f"at most {most:,} pixels in {size:,} bytes",
            found=f"{header.width} x {header.height}",
            remedy=_REMEDY,
        )


def check_size(width: int, height: int, what: str = "picture too large to make") -> None:
    """Refuse a width and a height, in pixels.

    Raises:
        BadImage: there are more than `MAX_PIXELS`, or more than `MAX_SIDE` on a side.
    """
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise BadImage(
            what,
            expected=f"at most {MAX_PIXELS:,} pixels and {MAX_SIDE:,} on a side",
            found=f"{width} x {height}",
            remedy=_REMEDY,
        )
