"""Patterns of a configuration match as Python's do, in time that grows with a name alone."""

from __future__ import annotations

import re

import pytest
from cputime import bounded_cpu

from pipeline.resources import shipped
from pipeline.sources.ilsvrc2012 import dataset as config
from pipeline.sources.ilsvrc2012.member_names import NoPattern, check_pattern, image_numbers

_NAMES = (
    "ILSVRC2012_val_00000007.JPEG",
    "ILSVRC2012_test_00000099.JPEG",
    "test/ILSVRC2012_test_00000100.JPEG",
    "ILSVRC2012_val_00000007.JPEG\n",
    "xILSVRC2012_val_00000007.JPEG",
    "ILSVRC2012_val_000000077.JPEG",
    "ILSVRC2012_val_0000000\u0667.JPEG",
    "ILSVRC2012_val_00000007xJPEG",
    "",
)


def _by_python(pattern: str, name: str) -> int:
    match = re.fullmatch(pattern, name)
    digits = (match[1] or "") if match else ""
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def test_the_patterns_that_are_shipped_match_as_they_did() -> None:
    splits = config.load(shipped("config/ilsvrc2012.toml")).splits.values()
    patterns = [split.member for split in splits if split.member]
    assert len(patterns) == 2
    for pattern in patterns:
        expected = [_by_python(pattern, name) for name in _NAMES]
        assert image_numbers(pattern, _NAMES) == expected
        assert any(expected)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (r"(\d+)\.JPEG", ["12.JPEG", "12.JPEG.JPEG", "012.JPEG", ".JPEG"]),
        (r"v_(\D)?\.JPEG", ["v_.JPEG", "v_a.JPEG", "v_1.JPEG"]),
        (r"a(\d+)|b\d+", ["a5", "b6", "a5b6", "xa5"]),
        (r"(?:img|pic)_0*(\d+?)(?:_x)?\.(?:jpg|png)", ["img_0040_x.jpg", "pic_7.png", "img_.jpg"]),
        (r"(?i)IMG(\d+)", ["img1", "IMG2", "Img3"]),
        (r"(?P<number>[0-9]{1,3})", ["1", "12", "1234"]),
    ],
)
def test_a_number_is_found_where_python_finds_it(pattern: str, names: list[str]) -> None:
    check_pattern(pattern)
    assert image_numbers(pattern, names) == [_by_python(pattern, name) for name in names]


@pytest.mark.parametrize("pattern", ["((?:a+)+)b", "((?:a|aa)*)b", "(a?){30}a{30}", "(.*)*x"])
def test_a_pattern_that_backtracks_without_end_elsewhere_takes_no_time(pattern: str) -> None:
    with bounded_cpu():
        try:
            check_pattern(pattern)
        except NoPattern:
            return
        assert image_numbers(pattern, ["a" * 4000 + "!"] * 100) == [0] * 100


@pytest.mark.parametrize(
    "pattern", ["a)|(b", "(a", r"(a)\1", "(?=a)(b)", "(a){1001}", "a", "(a)(b)"]
)
def test_what_is_no_pattern_of_one_group_is_refused(pattern: str) -> None:
    with pytest.raises(NoPattern):
        check_pattern(pattern)
