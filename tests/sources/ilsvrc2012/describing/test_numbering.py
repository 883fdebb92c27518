"""Which part of the names of images is their number."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.sources.ilsvrc2012.describing import numbering
from pipeline.sources.ilsvrc2012.describing.numbering import NotNumbered
from pipeline.sources.ilsvrc2012.member_names import image_numbers


@pytest.mark.parametrize(
    ("names", "member", "numbers"),
    [
        (["set2_val_00000003.JPEG", "set2_val_00000001.JPEG"], r"set2_val_(\d{8})\.JPEG", [3, 1]),
        (["1.jpg", "02.png", "10.jpg"], r"(\d+)(?:\.jpg|\.png)", [1, 2, 10]),
        (["a1_7.jpg", "a1_8.jpg", "a2_9.jpg"], r"a\d+_(\d+)\.jpg", [7, 8, 9]),
        (["7 of 9 (x).jpg", "8 of 9 (x).jpg"], r"(\d+) of 9 \(x\)\.jpg", [7, 8]),
        (["12"], r"(\d+)", [12]),
    ],
)
def test_the_number_is_the_last_group_of_digits_that_no_two_names_share(
    names: list[str], member: str, numbers: list[int]
) -> None:
    found = numbering.find(pa.array(names))
    assert found.member == member
    assert found.numbers.tolist() == sorted(numbers)
    assert image_numbers(member, names) == numbers


def test_numbers_without_a_gap_are_consecutive() -> None:
    assert numbering.find(pa.array(["3.jpg", "1.jpg", "2.jpg"])).is_consecutive
    assert not numbering.find(pa.array(["3.jpg", "1.jpg"])).is_consecutive


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["a_1.jpg", "README", "b_2.jpg"], "differ in more than numbers: a_1.jpg, README, b_2.jpg"),
        (["cat.jpg"], "no number in their names"),
        (["0.jpg", "1.jpg"], "begin with 0"),
        (["1.jpg", "01.jpg"], "two of their names have the same number"),
        (["1.jpg", "1.png"], "two of their names have the same number"),
        (["20000001.jpg"], "a number above 20,000,000: 20,000,001"),
        ([f"{10**18}.jpg"], "numbers of more than 18 digits"),
    ],
)
def test_what_has_no_numbers_says_why(names: list[str], why: str) -> None:
    with pytest.raises(NotNumbered, match=why):
        numbering.find(pa.array(names))
