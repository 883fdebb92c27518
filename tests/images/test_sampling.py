from __future__ import annotations

import io
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.images.sampling import read_sampling
from pipeline.sample.shapes import draw_image

FRAME_AT = b"\xff\xc0"


def jpeg(subsampling: str, mode: str = "RGB") -> bytes:
    output = io.BytesIO()
    options = {"subsampling": subsampling} if mode == "RGB" else {}
    Image.new(mode, (40, 30)).save(output, "JPEG", **options)
    return output.getvalue()


@pytest.mark.parametrize("sampling", ["420", "422", "444"])
def test_the_three_usual_samplings_are_told_apart(sampling: str) -> None:
    data = jpeg(":".join(sampling))
    assert read_sampling(data) == sampling
    assert read_sampling(memoryview(data)) == sampling


@pytest.mark.parametrize("factors", [0x12, 0x41, 0x00])
def test_a_rare_sampling_counts_as_none(factors: int) -> None:
    data = bytearray(jpeg("4:2:0"))
    data[data.index(FRAME_AT) + 11] = factors
    assert read_sampling(data) == "444"


def test_gray_and_png_share_no_colour() -> None:
    assert read_sampling(jpeg("", "L")) == "444"
    assert (
        read_sampling(draw_image(random.Random(0), "n01440764", "", encoding="png").encoded)
        == "444"
    )


def test_progressive_frames_are_read() -> None:
    drawn = draw_image(random.Random(0), "n01440764", "tench", encoding="progressive")
    assert read_sampling(drawn.encoded) == "420"


def test_a_frame_that_is_cut_off_counts_as_none() -> None:
    data = jpeg("4:2:0")
    assert read_sampling(data[: data.index(FRAME_AT) + 13]) == "444"
    assert read_sampling(b"") == "444"


@given(st.binary(max_size=80))
def test_any_frame_gives_one_of_the_three(content: bytes) -> None:
    data = b"\xff\xd8" + struct.pack(">BBH", 0xFF, 0xC2, len(content) + 2) + content
    assert read_sampling(data) in {"420", "422", "444"}
