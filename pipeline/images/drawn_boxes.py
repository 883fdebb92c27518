"""An image with the boxes of its objects drawn on it: for people to look at."""

# ruff: noqa: PLC0415 - Pillow is imported where it is used

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Final

from pipeline.catalog.objects import Box
from pipeline.errors import UsageError
from pipeline.images import header
from pipeline.images.bounds import check_claim
from pipeline.images.decode import decode
from pipeline.images.orientation import UPRIGHT
from pipeline.images.spec import EncodeSpec

FORMATS: Final = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG"}
"""What a drawn image can be, by the ending of its file."""
_COLORS: Final = ("#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#42d4f4", "#f032e6")
_SIDE_OF_A_LINE: Final = 200  # pixels of an image for each pixel of a line
_GAP: Final = 2


def format_of(ending: str) -> str:
    """Return the format that the ending of a file says, as Pillow names it.

    Raises:
        UsageError: it says none.
    """
    form = FORMATS.get(ending.lower())
    if form is None:
        raise UsageError(
            "an image with boxes drawn on it is a JPEG or a PNG",
            expected=f"a file that ends in {', '.join(FORMATS)}",
            found=ending or "no ending",
        )
    return form


def with_boxes(encoded: bytes, boxes: Sequence[Box], names: Sequence[str], form: str) -> bytes:
    """Return an image with its boxes drawn on it, encoded anew.

    Args:
        encoded: a JPEG or PNG.
        boxes: of its objects.
        names: what stands at each box; "": nothing.
        form: ``JPEG`` or ``PNG``.

    Raises:
        BadImage: it cannot be decoded.
    """
    from PIL import ImageDraw

    said = header.read_header(encoded)
    check_claim(said, len(encoded))
    image = decode(encoded, said, EncodeSpec(color=1), UPRIGHT).image.convert("RGB")
    draw = ImageDraw.Draw(image)
    line = max(1, min(image.size) // _SIDE_OF_A_LINE)
    for number, (box, name) in enumerate(zip(boxes, names, strict=True)):
        color = _COLORS[number % len(_COLORS)]
        corners = _pixels(box, image.size)
        draw.rectangle(corners, outline=color, width=line)
        place = (corners[0] + line + _GAP, corners[1] + line + _GAP)
        draw.text(place, name.encode("ascii", "replace").decode(), fill=color)
    stream = io.BytesIO()
    image.save(stream, form, **({"quality": 95} if form == "JPEG" else {}))
    return stream.getvalue()


def _pixels(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the first and last columns and rows of a box: xmin, ymin, xmax, ymax."""
    (xmin, ymin, xmax, ymax), (width, height) = box, size
    left, top = min(int(xmin * width), width - 1), min(int(ymin * height), height - 1)
    right, bottom = round(xmax * width) - 1, round(ymax * height) - 1
    return left, top, max(left, min(right, width - 1)), max(top, min(bottom, height - 1))
