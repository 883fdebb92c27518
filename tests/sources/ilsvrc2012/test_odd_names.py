"""What names alone say of files that are too many or missing in a class."""

from __future__ import annotations

import pytest

from pipeline.sources.ilsvrc2012.odd_names import describe, missing, unlike_others

PLAIN = [f"n01_{number}.JPEG" for number in (3, 17, 1024)]


@pytest.mark.parametrize(
    "name",
    ["n01_3 (1).JPEG", "n01_3 - Copy.JPEG", "n01_boxes.txt", "n01_3.jpg", "n02_3.JPEG", "readme"],
)
def test_a_name_unlike_the_others_is_found(name: str) -> None:
    assert unlike_others("n01", [*PLAIN, name]) == [name]
    assert describe("n01", [*PLAIN, name], 3) == f"not named like the others: {name}"


@pytest.mark.parametrize("names", [[], PLAIN, ["a.jpg", "b (1).png"], ["a1.jpg", "b.png", "c.gif"]])
def test_where_no_name_is_usual_none_is_unlike_the_others(names: list[str]) -> None:
    assert unlike_others("n01", names) == []


def test_of_many_odd_names_a_few_are_named() -> None:
    names = [*PLAIN, *(f"n01_{number}.JPEG" for number in range(9)), *"abcdefg"]
    assert describe("n01", names, 12).endswith(": a, b, c, d and 3 more")


@pytest.mark.parametrize(
    ("names", "expected", "absent"),
    [
        (["x_0.JPEG", "x_2.JPEG"], 3, ["x_1.JPEG"]),
        (["x_0.JPEG", "x_1.JPEG"], 3, ["x_2.JPEG"]),
        (["x_1.JPEG", "x_3.JPEG"], 3, ["x_2.JPEG"]),
        (["x_2.JPEG", "x_3.JPEG"], 3, ["x_1.JPEG"]),
        (["v_0001.JPEG", "v_0003.JPEG"], 3, ["v_0002.JPEG"]),
        (["x_1.JPEG", "x_2.JPEG"], 3, []),  # 0 or 3
        (["x_5.JPEG", "x_900.JPEG"], 3, []),  # the numbers have gaps
        (["x_0.JPEG", "y_1.JPEG"], 3, []),
        (["x_0.JPEG", "cat"], 3, []),
        ([], 3, []),
    ],
)
def test_missing_names_are_known_where_numbers_have_no_gaps(
    names: list[str], expected: int, absent: list[str]
) -> None:
    assert missing(names, expected) == absent
    assert describe("x", names, expected) == (f"missing: {absent[0]}" if absent else "")
