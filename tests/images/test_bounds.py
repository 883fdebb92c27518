from __future__ import annotations

import pytest

from pipeline.errors import BadImage
from pipeline.images.bounds import (
    MAX_JPEG_SIDE,
    MAX_PIXELS,
    check_claim,
    check_encodable,
    check_size,
)
from pipeline.images.header import ImageHeader


@pytest.mark.parametrize("size", [(1, 1), (MAX_PIXELS, 1), (16384, MAX_PIXELS // 16384)])
def test_a_size_up_to_the_bound_is_allowed(size: tuple[int, int]) -> None:
    check_size(*size)


@pytest.mark.parametrize("size", [(MAX_PIXELS + 1, 1), (16384, MAX_PIXELS // 16384 + 1)])
def test_a_size_beyond_the_bound_is_refused_unless_more_is_allowed(size: tuple[int, int]) -> None:
    with pytest.raises(BadImage, match="image too large") as caught:
        check_size(*size)
    assert caught.value.found == f"{size[0]} x {size[1]}"
    assert "--max-pixels" in (caught.value.remedy or "")
    check_size(*size, most=size[0] * size[1])


def test_a_side_is_bounded_for_jpegs_only() -> None:
    check_encodable(MAX_JPEG_SIDE, 1, "JPEG")
    check_encodable(MAX_JPEG_SIDE + 1, 1, "PNG")
    with pytest.raises(BadImage, match="too large for a JPEG"):
        check_encodable(1, MAX_JPEG_SIDE + 1, "JPEG")


@pytest.mark.parametrize(
    ("form", "of_a_byte"), [("JPEG", 512), ("PNG", 8256), ("PNM", 8), ("BMP", 128)]
)
def test_a_claim_is_held_against_the_bytes_that_are_there(form: str, of_a_byte: int) -> None:
    check_claim(ImageHeader(form, of_a_byte, 10, "RGB"), 10)
    with pytest.raises(BadImage, match="more pixels than its bytes can hold"):
        check_claim(ImageHeader(form, of_a_byte, 10, "RGB"), 9)


def test_a_claim_beyond_the_bound_is_refused_whatever_its_bytes() -> None:
    with pytest.raises(BadImage, match="image too large"):
        check_claim(ImageHeader("PNG", MAX_PIXELS, 2, "RGB"), 1 << 40)
    check_claim(ImageHeader("PNG", MAX_PIXELS, 2, "RGB"), 1 << 40, 2 * MAX_PIXELS)
