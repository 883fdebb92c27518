"""The one rule of clutter: what is passed over, what never is, and that both its forms agree."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.documents.decoding import fitted
from pipeline.storage.clutter import PATH_PATTERN, PassedOver, in_clutter, is_clutter, passed_over

CLUTTER = [
    "._n01440764_10026.JPEG",
    "._n01440764.tar",
    ".DS_Store",
    ".ipynb_checkpoints",
    ".git",
    "..hidden",
    "...",
    "__MACOSX",
    "@eaDir",
    "@EADIR",
    "#recycle",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
    "PaxHeader",
    "PaxHeaders",
    "PaxHeaders.4711",
    "Thumbs.db",
    "THUMBS.DB",
    "ehthumbs.db",
    "desktop.ini",
    "Icon\r",
    "a.JPEG:Zone.Identifier",
    "a.jpg\uf03aZone.Identifier",
    "a.jpg:Zone.Identifier:$DATA",
    "a.jpg@SynoEAStream",
]
DATA = [
    "",
    ".",
    "..",
    "a.jpg",
    "n01440764",
    "n01440764_10026.JPEG",
    "n01440764_1 (1).JPEG",
    "_MACOSX",
    "MACOSX",
    "eaDir",
    "Thumbs.db.jpg",
    "my desktop.ini.png",
    "PaxHeader.jpg",
    "paxheader",
    "icon",
    "~a.jpg",
    "@a.jpg",
    "zone.jpg",
]


@pytest.mark.parametrize("name", CLUTTER)
def test_what_systems_leave_is_clutter_wherever_it_lies_in_a_path(name: str) -> None:
    assert is_clutter(name)
    assert in_clutter(name)
    assert in_clutter(f"./train/{name}")
    assert in_clutter(f"train/{name}/a.jpg")


@pytest.mark.parametrize("name", DATA)
def test_everything_else_is_data(name: str) -> None:
    assert not is_clutter(name)
    assert not in_clutter(f"./train/{name}")
    assert not in_clutter(f"../{name}/a.jpg")


@given(st.lists(st.one_of(st.sampled_from([*CLUTTER, *DATA]), st.text()), min_size=1))
@example([".a\n"])
@example(["thumbs.db\n"])
def test_the_rule_for_columns_is_that_of_single_paths(parts: list[str]) -> None:
    path = "/".join(part.replace("\ud800", "") for part in parts)
    column = pa.array([path.encode(errors="replace").decode()])
    matched = pc.match_substring_regex(column, PATH_PATTERN)[0].as_py()
    assert matched == in_clutter(column[0].as_py())


def test_what_is_kept_of_hostile_names_is_plain_text() -> None:
    kept = passed_over(["Icon\r", ".\x1b[2J\u202e", "._Vögel"])
    assert kept.examples == (r"Icon\r", r".\x1b[2J\u202e", "._Vögel")


def test_what_was_passed_over_is_counted_and_a_few_names_are_kept() -> None:
    nothing, one = PassedOver(), passed_over(["a/.b"])
    many = passed_over(f".{number}" for number in range(1200))
    assert nothing + one == one
    assert str(one) == "1 hidden or system name, e.g. a/.b"
    assert str(one + many) == "1,201 hidden or system names, e.g. a/.b, .0, .1, …"
    for each in (nothing, one, many):
        assert fitted(each.to_json(), PassedOver, Path()) == each
