"""PNGs with too much beside their pixels, or with damage there."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from drawn_images import chunk, pixels_of, ramp, ramp_png, saved
from PIL import Image

from pipeline.errors import BadImage
from pipeline.images.engine import engine
from pipeline.images.pngdata import pixel_chunks
from pipeline.images.repair import repair
from pipeline.images.spec import EncodeSpec, Processed

HEAD = 33  # bytes: signature and IHDR
PLAIN = ramp_png()
TWO_MIB = bytes(2 << 20)


def process(data: bytes) -> Processed:
    return engine("pillow").process(data, EncodeSpec(encoding=".png", color=-1, quality=1))


def damaged(part: bytes) -> bytes:
    return part[:-1] + bytes([part[-1] ^ 1])


BESIDE = {
    "a large profile": chunk(b"iCCP", b"x\0\0" + zlib.compress(TWO_MIB)),
    "a large text": chunk(b"zTXt", b"k\0\0" + zlib.compress(TWO_MIB)),
    "large metadata": chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(TWO_MIB)),
    "a damaged text": damaged(chunk(b"tEXt", b"k\0v")),
    "a damaged profile": chunk(b"iCCP", b"x\0\0" + b"no stream"),
    "resolution cut off": chunk(b"pHYs", b"\0"),
    "an animation": chunk(b"acTL", bytes(8)),
    "Exif": chunk(b"eXIf", b"MM\0*nothing"),
}


@pytest.mark.parametrize("beside", BESIDE.values(), ids=list(BESIDE))
@pytest.mark.parametrize("after", [False, True])
def test_what_stands_beside_the_pixels_does_not_cost_them(beside: bytes, after: bool) -> None:
    at = PLAIN.index(b"IEND") - 4 if after else HEAD
    data = PLAIN[:at] + beside + PLAIN[at:]
    assert pixel_chunks(data) == (PLAIN, False)
    np.testing.assert_array_equal(pixels_of(process(data).encoded), ramp())
    assert repair(data) == repair(PLAIN)


def test_nothing_is_copied_where_nothing_is_left_out() -> None:
    for data in (PLAIN, saved(Image.fromarray(ramp()).quantize(9), transparency=3)):
        view = memoryview(data)
        assert pixel_chunks(view) == (view, False)
        assert pixel_chunks(view)[0] is view


def test_transparency_is_kept_unless_it_is_damaged() -> None:
    data = saved(Image.fromarray(ramp()).quantize(9), transparency=3)
    assert process(data).mode == "RGBA"
    at = data.index(b"tRNS")
    length = int.from_bytes(data[at - 4 : at])
    spoiled = data[: at + 4 + length] + bytes(4) + data[at + 8 + length :]
    done = process(spoiled)
    assert (done.mode, done.notes) == ("RGB", ("alpha-dropped",))


@pytest.mark.parametrize("name", [b"IDAT", b"PLTE", b"IEND"])
def test_a_damaged_chunk_that_the_pixels_need_is_refused(name: bytes) -> None:
    data = saved(Image.fromarray(ramp()).quantize(9))
    at = data.index(name)
    end = at + 4 + int.from_bytes(data[at - 4 : at])
    spoiled = data[:end] + bytes([data[end] ^ 1]) + data[end + 1 :]
    for decode in (process, repair):
        with pytest.raises(BadImage, match=f"{name.decode()} is damaged") as caught:
            decode(spoiled)
        assert caught.value.place == f"byte {at - 4}"


@pytest.mark.parametrize("lost", [1, 11, 12, 15, 16])
def test_a_png_that_lacks_its_end_and_no_pixel_is_taken(lost: int) -> None:
    done = process(PLAIN[:-lost])
    np.testing.assert_array_equal(pixels_of(done.encoded), ramp())
    assert done.notes == ("end-marker-added",)


@pytest.mark.parametrize("lost", [17, 20, 30])
def test_a_png_that_lacks_pixels_is_refused(lost: int) -> None:
    for decode in (process, repair):
        with pytest.raises(BadImage, match="cannot be decoded"):
            decode(PLAIN[:-lost])
