"""Images that keep their bytes: what is said of them all the same."""

from __future__ import annotations

import pytest
from drawn_images import drawn, saved
from PIL import Image

from pipeline.errors import BadImage
from pipeline.images.engine import engine
from pipeline.images.passthrough import PassedThrough, pass_through
from pipeline.images.spec import EncodeSpec

KEEP = EncodeSpec(color=-1, orientation="keep")
EOI = b"\xff\xd9"


def passed(data: bytes) -> PassedThrough:
    return pass_through(data, KEEP, engine("pillow"))


def test_an_image_is_what_it_was_and_nothing_is_said() -> None:
    data = drawn().encoded
    found = passed(data)
    assert found.encoded is data
    assert found.notes == ()


@pytest.mark.parametrize("more", [b"", b"\n", bytes(100)], ids=["end", "newline", "zeros"])
def test_what_follows_the_end_of_an_image_does_no_harm(more: bytes) -> None:
    assert passed(drawn().encoded + more).notes == ()


@pytest.mark.parametrize("part", [0.5, 0.9, 0.999])
def test_an_image_that_is_cut_short_is_kept_and_that_is_said(part: float) -> None:
    data = drawn().encoded
    cut = data[: int(len(data) * part)]
    found = passed(cut)
    assert found.encoded is cut
    assert found.notes == ("cut-short",)


def test_the_end_of_a_thumbnail_is_not_the_image_s_own() -> None:
    data = drawn().encoded
    thumbnail = b"\xff\xe1" + (2 + 6 + 20).to_bytes(2) + b"Exif\0\0" + bytes(18) + EOI
    cut = data[:2] + thumbnail + data[2 : len(data) // 2]
    assert "cut-short" in passed(cut).notes


def test_a_png_without_its_end_is_told_apart() -> None:
    data = saved(Image.new("RGB", (9, 7)), "PNG")
    assert passed(data).notes == ()
    assert passed(data[:-20]).notes == ("cut-short",)


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(BadImage):
        passed(b"<html>")
