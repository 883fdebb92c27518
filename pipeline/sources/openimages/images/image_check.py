"""Whether some bytes are a whole image as the bucket has them."""

from __future__ import annotations

from typing import Final

from pipeline.errors import BadImage
from pipeline.images.decode import decode
from pipeline.images.inspection import Inspection, inspect, is_cut_short
from pipeline.images.orientation import UPRIGHT
from pipeline.images.spec import EncodeSpec
from pipeline.storage import Buffer

LONGEST_SIDE: Final = 1024
"""Pixels: the images of the bucket were made smaller than their originals."""
_JPEG: Final = "JPEG"
_START: Final = b"\xff\xd8\xff"
_AS_THEY_ARE: Final = EncodeSpec()
_PAGES: Final = frozenset({"HTML page", "XML or HTML text"})


def size_of(data: Buffer, *, pixels: bool = False) -> tuple[int, int]:
    """Return width and height of an image, in pixels.

    Args:
        data: the whole file.
        pixels: whether the image is decoded, too.

    Raises:
        BadImage: it is no JPEG, is cut off, or is larger than the images of the bucket are.
    """
    inspection = inspect(data)
    header = inspection.header
    if header.format != _JPEG:
        raise BadImage("not a JPEG", expected="a JPEG", found=header.format)
    if max(header.width, header.height) > LONGEST_SIDE:
        raise BadImage(
            "larger than the images of the bucket are",
            expected=f"at most {LONGEST_SIDE:,} pixels on a side",
            found=f"{header.width:,} x {header.height:,}",
        )
    if is_cut_short(data, inspection):
        raise BadImage("cut off", expected="an end marker", found="the end of the file")
    if pixels:
        _decode(data, inspection)
    return header.width, header.height


def seems_whole(data: Buffer) -> bool:
    """Whether nothing says that a JPEG is cut off; what is none has no end to be missed."""
    if bytes(data[: len(_START)]) != _START:
        return len(data) > 0
    try:
        return not is_cut_short(data, inspect(data))
    except BadImage:
        return False


def is_page(error: BadImage) -> bool:
    """Whether what was refused is a web page, as one that asks for a login."""
    return error.found in _PAGES


def _decode(data: Buffer, inspection: Inspection) -> None:
    inspection.check_decodable()
    decode(data, inspection.header, _AS_THEY_ARE, UPRIGHT)
