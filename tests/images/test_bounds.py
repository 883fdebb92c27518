from __future__ import annotations

import pytest

from pipeline.errors import BadImage
from pipeline.images.bounds import MAX_PIXELS, MAX_SIDE, check_claim, check_size
from pipeline.images.header import ImageHeader


@pytest.mark.parametrize("size", [(1, 1), (1, MAX_SIDE), (16384, MAX_PIXELS // 16384)])
def test_a_size_up_to_the_bounds_is_allowed(size: tuple[int, int]) -> None:
    check_size(*size)


@pytest.mark.parametrize("size", [(1, MAX_SIDE + 1), (16384, MAX_PIXELS // 16384 + 1)])
def test_a_size_beyond_a_bound_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(BadImage, match="too large to make") as caught:
        check_size(*size)
    assert caught.value.found == f"{size[0]} x {size[1]}"


@pytest.mark.parametrize(("form", "of_a_byte"), [("JPEG", 512), ("PNG", 8256)])
def test_a_claim_is_held_against_the_bytes_that_are_there(form: str, of_a_byte: int) -> None:
    check_claim(ImageHeader(form, of_a_byte, 10, "RGB"), 10)
    with pytest.raises(BadImage, match="more pixels than its bytes can hold"):
        check_claim(ImageHeader(form, of_a_byte, 10, "RGB"), 9)


def test_a_claim_beyond_the_bounds_is_refused_whatever_its_bytes() -> None:
    with pytest.raises(BadImage, match="too large to decode"):
        check_claim(ImageHeader("PNG", MAX_SIDE, MAX_SIDE, "RGB"), 1 << 40)
