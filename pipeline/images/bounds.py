"""Bounds on the size of an image, checked before memory is taken for its pixels."""

from __future__ import annotations

from typing import Final

from pipeline.errors import BadImage, TooManyPixels
from pipeline.images.header import ImageHeader

MAX_PIXELS: Final = 256 << 20
"""Pixels of an image that is stored, decoded or made, unless more are allowed.

They take 1 GiB at four bytes each, and up to twice that while an image is converted.
"""
MAX_JPEG_SIDE: Final = 65_500
"""Pixels on a side of a JPEG, read or written: JPEG_MAX_DIMENSION of libjpeg."""

# At most: a JPEG has a bit for a block of 64; deflate makes 1,032 bytes of one, of 8 pixels each;
# a PNM or an uncompressed bit map has a bit for a pixel; run lengths make 255 pixels of two bytes.
_PIXELS_OF_A_BYTE: Final = {"JPEG": 8 * 64, "PNG": 1032 * 8, "PNM": 8, "BMP": 128}
_LARGER: Final = (
    "allow more with --max-pixels N, where the memory is there; or leave the image out with"
    " --on-bad-image skip, or replace it by a smaller one"
)
_SMALLER: Final = (
    "make it smaller with --resize N, store PNGs with --encoding .png where the format takes them,"
    " or leave the image out with --on-bad-image skip"
)
_BROKEN: Final = "get an intact copy of the file, or leave the image out with --on-bad-image skip"


def check_claim(header: ImageHeader, size: int, most: int = MAX_PIXELS) -> None:
    """Refuse an image that claims too many pixels.

    Args:
        header: what the image claims.
        size: bytes that it has.
        most: pixels that are allowed.

    Raises:
        BadImage: it has more pixels than are allowed, or than so many bytes can hold.
    """
    check_size(header.width, header.height, most)
    held = size * _PIXELS_OF_A_BYTE.get(header.format, most)
    if header.width * header.height > held:
        raise BadImage(
            f"{header.format} of more pixels than its bytes can hold",
            expected=f"at most {held:,} pixels in {size:,} bytes",
            found=f"{header.width} x {header.height}",
            remedy=_BROKEN,
        )


def check_size(width: int, height: int, most: int = MAX_PIXELS, *, planned: bool = False) -> None:
    """Refuse a width and a height, in pixels: of an image that is there, or of one to be made.

    What is there is refused also where its bytes are only stored.

    Raises:
        TooManyPixels: there are more than `most` pixels.
    """
    if width * height > most:
        raise TooManyPixels(
            "image too large",
            expected=f"at most {most:,} pixels",
            found=f"{width} x {height}" + (", as it would be made" if planned else ""),
            remedy=_LARGER,
        )


def check_encodable(width: int, height: int, form: str) -> None:
    """Refuse a size that a format (``JPEG`` or ``PNG``) cannot have.

    Raises:
        BadImage: a side of a JPEG would have more than `MAX_JPEG_SIDE` pixels.
    """
    if form == "JPEG" and max(width, height) > MAX_JPEG_SIDE:
        raise BadImage(
            "image too large for a JPEG",
            expected=f"at most {MAX_JPEG_SIDE:,} pixels on a side",
            found=f"{width} x {height}",
            remedy=_SMALLER,
        )
