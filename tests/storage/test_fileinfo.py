"""Size and stamp of a file, and how a file name spells them."""

from __future__ import annotations

import re

import pytest

from pipeline.storage import FileInfo


def test_a_stamp_that_is_a_number_stands_in_the_name_as_it_is() -> None:
    assert FileInfo(7, "1600000000000000000").look == "7-1600000000000000000"
    assert FileInfo(7, "-1").look == "7--1"


@pytest.mark.parametrize("stamp", ['"d41d8cd98f00b204e9800998ecf8427e-5"', "a/../b", "", "\u0661"])
def test_any_other_stamp_makes_a_name_that_every_file_system_takes(stamp: str) -> None:
    look = FileInfo(7, stamp).look
    assert re.fullmatch("7-[0-9a-f]{16}", look)
    assert look != FileInfo(7, stamp + "x").look
