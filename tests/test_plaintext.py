"""Text on its way to people: one line, nothing that a terminal obeys, no formula."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import plaintext
from pipeline.plaintext import Lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", r"a\nb"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("a\u202eb\u2069", r"a\u202eb\u2069"),
        ("a\u200eb\u200f\u061c", r"a\u200eb\u200f\u061c"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("\U000e0041", r"\U000e0041"),
        ("caf\udce9", r"caf\udce9"),
        (b"\xff", r"b'\xff'"),
    ],
)
def test_what_a_terminal_obeys_is_shown_escaped(text: object, shown: str) -> None:
    assert plaintext.line(text) == shown


@pytest.mark.parametrize(
    "text", ["a b", "café", "\u0646\u200c\u0645", r"C:\new", "日本", "x\u200dy", "x\xa0y"]
)
def test_an_ordinary_name_is_shown_as_it_is(text: str) -> None:
    assert plaintext.line(text) == plaintext.lines(text) == plaintext.cell(text) == text


@given(st.text())
def test_what_is_shown_is_one_line_for_ever(text: str) -> None:
    shown = plaintext.line(text)
    assert len(shown.splitlines()) == (shown != "")
    assert not {unicodedata.category(mark) for mark in shown} & {"Cc", "Zl", "Zp", "Cs"}
    assert plaintext.line(shown) == shown
    assert plaintext.lines(text).replace("\n", r"\n") == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\nb", r"a\nb"), ("a" * 80, "a" * 80), ("\x1b" * 81, r"\x1b" * 80 + "...")],
)
def test_of_a_long_text_the_beginning_is_shown_escaped(text: str, shown: str) -> None:
    assert plaintext.beginning(text) == shown


def test_lines_are_those_that_were_meant() -> None:
    assert Lines.of(("a\nb", 3, "c\x1b")).split("\n") == [r"a\nb", "3", r"c\x1b"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1"])
def test_a_formula_is_marked_as_text_in_a_cell(text: str) -> None:
    assert plaintext.cell(text) == f"'{text}"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a;=1+1", "a;'=1+1"),
        ('a; "=1+1"', 'a;\' "=1+1"'),
        ("-1;b;+2", "'-1;b;'+2"),
        (" =1", "' =1"),
        ("a;b-1;c=2;", "a;b-1;c=2;"),
    ],
)
def test_behind_a_semicolon_is_the_beginning_of_a_cell_too(text: str, written: str) -> None:
    assert plaintext.cell(text) == plaintext.cell(written) == written


@given(st.text())
def test_no_cell_is_read_as_a_formula(text: str) -> None:
    sink = io.StringIO()
    csv.writer(sink, lineterminator="\n").writerow(["first", plaintext.cell(text)])
    assert sink.getvalue().count("\n") == 1
    for piece in plaintext.cell(text).split(";"):
        assert not piece.lstrip(' "').startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("text", ["a\u200bb", "a\u202eb", "a\nb", "\x1b[8m", "a\xadb"])
def test_what_hides_something_cannot_be_pasted(text: str) -> None:
    assert not plaintext.is_plain(text)
    assert plaintext.is_plain("shardmill imagenet --raw '/data/日本 x'")
