"""A JPEG of thousands of scans is refused before a decoder works on it for hours."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import BadImage
from pipeline.images.engine import PillowEngine
from pipeline.images.inspection import inspect
from pipeline.images.passthrough import pass_through
from pipeline.images.prepare import ImageOptions, preparation, repaired
from pipeline.images.repair import repair
from pipeline.images.scancount import (
    FEW_SCANS,
    MAX_SCANNED_PIXELS,
    MAX_SCANS,
    excessive_scans,
)
from pipeline.images.segments import FRAMES, jpeg_scans
from pipeline.images.spec import EncodeSpec

_SIDE = 1 << 14


def jpeg_of_scans(count: int, size: tuple[int, int] | None = None) -> bytes:
    """Return a progressive JPEG whose last scan is repeated; its header states another size."""
    levels = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "JPEG", progressive=True)
    plain = stream.getvalue()
    seen = inspect(plain)
    scans = jpeg_scans(plain, seen.segments[-1][1])
    last = scans.headers[-1]
    empty = plain[last : last + 2 + int.from_bytes(plain[last + 2 : last + 4])]
    data = plain[: scans.end] + empty * (count - len(scans.headers)) + plain[scans.end :]
    if size is None:
        return data
    frame = next(at for code, at in seen.segments if code in FRAMES)
    return data[: frame + 5] + struct.pack(">HH", *size[::-1]) + data[frame + 9 :]


def _refusal(data: bytes) -> BadImage:
    with pytest.raises(BadImage) as caught:
        PillowEngine().process(data, EncodeSpec(quality=90))
    return caught.value


def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_is_decoded() -> None:
    data = jpeg_of_scans(3018, (_SIDE, _SIDE))
    assert inspect(data).peculiarity == "3018-scans"
    error = _refusal(data)
    assert (error.found, f"at most {MAX_SCANS} scans" in (error.expected or "")) == (
        "3018-scans",
        True,
    )
    with pytest.raises(BadImage, match="no common decoder"):
        repair(data)


def test_a_format_that_promises_decodable_images_refuses_it_and_others_note_it() -> None:
    data = jpeg_of_scans(MAX_SCANS + 1)
    stored = preparation(ImageOptions()).prepare(data)
    assert (stored.plain, stored.notes) == (False, (f"{MAX_SCANS + 1}-scans",))
    with pytest.raises(BadImage):
        repaired(stored)
    assert not pass_through(data, EncodeSpec(), PillowEngine()).decodable


@pytest.mark.parametrize("scans", [10, FEW_SCANS, FEW_SCANS + 1, MAX_SCANS])
def test_a_small_jpeg_of_some_scans_is_decoded(scans: int) -> None:
    data = jpeg_of_scans(scans)
    assert inspect(data).decodable
    assert PillowEngine().process(data, EncodeSpec(quality=90)).width == 64


def test_large_images_may_have_fewer_scans_and_never_fewer_than_usual() -> None:
    most = MAX_SCANNED_PIXELS // (FEW_SCANS + 1)
    data = jpeg_of_scans(FEW_SCANS + 1)
    at = inspect(data).segments[-1][1]
    assert excessive_scans(data, at, most) == 0
    assert excessive_scans(data, at, most + 1) == FEW_SCANS + 1
    assert excessive_scans(memoryview(data), at, most + 1) == FEW_SCANS + 1
    assert excessive_scans(jpeg_of_scans(FEW_SCANS), at, 1 << 40) == 0


def test_bytes_of_the_marker_behind_the_end_are_no_scans() -> None:
    data = jpeg_of_scans(10) + b"\xff\xda\0\2" * 2000
    assert inspect(data).peculiarity == ""


def test_scans_of_a_sequential_jpeg_count_too() -> None:
    data = bytearray(jpeg_of_scans(MAX_SCANS + 1))
    frame = next(at for code, at in inspect(bytes(data)).segments if code in FRAMES)
    data[frame + 1] = 0xC1
    first = inspect(bytes(data)).segments[-1][1]
    data[first + 4 : first + 5] = b"\1"  # one component of three: the others follow in other scans
    assert inspect(bytes(data)).peculiarity == f"{MAX_SCANS + 1}-scans"
