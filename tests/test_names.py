"""The one rule for names: which can be a class, a folder below another, a file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import names
from pipeline.storage.local import tempnames

CONTROL = ["\x00", "\x07", "\t", "\n", "\x1b", "\x7f", "\x80", "\x85", "\x9b", "\u2028", "\u2029"]
OVERRIDES = ["\u202a", "\u202e", "\u2066", "\u2069", "\u061c", "\u200e", "\u200f"]


@pytest.mark.parametrize("mark", [*CONTROL, *OVERRIDES])
def test_control_characters_and_overrides_are_in_no_name(mark: str) -> None:
    name = f"n{mark}1"
    assert names.has_control(name)
    assert names.has_wide_control(name.encode()) == (not name.isascii())
    for flaw in (names.class_flaw, names.folder_flaw, names.file_flaw):
        assert flaw(name) == "it holds control characters"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_and_its_bytes_are_judged_alike(text: str) -> None:
    narrow = any(mark < " " or mark == "\x7f" for mark in text)
    assert (narrow or names.has_wide_control(text.encode())) == names.has_control(text)


@pytest.mark.parametrize("name", ["n01", "dog house", "café", "-x", "=1", "Ж", "a\\b", "'", "a..b"])
def test_an_odd_but_harmless_name_is_a_class(name: str) -> None:
    assert names.class_flaw(name) == names.folder_flaw(name) == names.file_flaw(name) == ""


@pytest.mark.parametrize("name", ["", ".", "..", "/abs", "a/../../x", "a/b", "é" * 128])
def test_what_is_no_name_of_one_folder_is_no_class(name: str) -> None:
    assert names.class_flaw(name)


@pytest.mark.parametrize(
    "name",
    [
        ".docs.HOST-99999-deadbeef.tmp",
        ".hidden",
        "@eaDir",
        "lost+found",
        "Thumbs.db",
        "metadata.parquet",
    ],
)
def test_what_is_passed_over_or_swept_in_a_tree_is_no_class(name: str) -> None:
    assert names.class_flaw(name)


@pytest.mark.parametrize("name", [" n01", "n01 ", " "])
def test_a_blank_at_an_end_which_no_image_list_can_hold_is_in_no_class(name: str) -> None:
    assert "blank at its end" in names.class_flaw(name)


@given(st.text(min_size=1))
def test_no_class_is_taken_for_one_of_our_temporary_files(name: str) -> None:
    temporary = f".{name}.host-1-deadbeef.tmp"
    assert tempnames.owner_of(temporary) is None or names.class_flaw(temporary)


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "/abs", "a//b", "./a", "a/.", ""])
def test_what_leaves_a_folder_or_has_two_spellings_is_no_class_folder(path: str) -> None:
    assert names.folder_flaw(path)
    assert names.folder_flaw(".") == names.folder_flaw("a/b c") == ""


SPLITS = ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("word", "known", "likely"),
    [
        ("val", SPLITS, "validation"),
        (" Validation ", SPLITS, "validation"),
        ("training", SPLITS, "train"),
        ("tran", SPLITS, "train"),
        ("trian", SPLITS, "train"),
        ("t", SPLITS, None),
        ("", SPLITS, None),
        ("dev", SPLITS, None),
        ("path", ["File Path", "Label"], "File Path"),
        ("label", ["label_id", "LABEL"], "LABEL"),
        ("xmin", ["x", "y"], None),
    ],
)
def test_the_name_that_was_meant_is_known_by_a_beginning_or_a_slip(
    word: str, known: list[str], likely: str | None
) -> None:
    assert names.meant(word, known) == likely


def test_names_near_another_are_those_that_begin_so_and_then_those_alike() -> None:
    known = ["Tea cup", "teapot", "TEA", "ten", "bear", "train"]
    assert names.near("tea", known, 9) == ["Tea cup", "teapot", "TEA", "ten"]
    assert names.near("tea", known, 2) == ["Tea cup", "teapot"]
    assert names.near("qqq", known, 2) == []
