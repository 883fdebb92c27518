"""JPEGs with damage beside their pixels."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from drawn_images import drawn, pixels_of, ramp, saved
from PIL import Image

from pipeline.images.engine import engine
from pipeline.images.jpegdata import pixel_segments
from pipeline.images.repair import repair
from pipeline.images.segments import head_segments
from pipeline.images.spec import EncodeSpec

AS_PNG = EncodeSpec(encoding=".png", quality=1)
PLAIN = saved(Image.fromarray(ramp()), "JPEG")
BESIDE = {
    "JFIF cut off": (0xE0, b"JFIF\0\1"),
    "Adobe cut off": (0xEE, b"Adobe"),
    "an empty profile": (0xE2, b"ICC_PROFILE\0"),
    "a profile without its rest": (0xE2, b"ICC_PROFILE\0\5\2abc"),
    "Exif that points nowhere": (0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"),
    "a large comment": (0xFE, bytes(65_533)),
    "nothing": (0xE5, b""),
}


def segment(code: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, code, len(content) + 2) + content


@pytest.mark.parametrize("beside", BESIDE.values(), ids=list(BESIDE))
def test_what_stands_beside_the_pixels_does_not_cost_them(beside: tuple[int, bytes]) -> None:
    data = PLAIN[:2] + segment(*beside) + PLAIN[2:]
    assert pixel_segments(data, head_segments(data)) == PLAIN
    done = engine("pillow").process(data, AS_PNG)
    assert done == engine("pillow").process(PLAIN, AS_PNG)


def test_what_says_which_colours_there_are_is_kept() -> None:
    for data in (PLAIN, drawn("cmyk").encoded):
        view = memoryview(data)
        assert pixel_segments(view, head_segments(view)) is view
    data = drawn("cmyk").encoded
    more = data[:2] + segment(0xE1, b"Exif\0\0") + data[2:]
    assert repair(more) == repair(data)
    shown, again = (engine("pillow").process(each, AS_PNG).encoded for each in (data, more))
    np.testing.assert_array_equal(pixels_of(shown), pixels_of(again))
