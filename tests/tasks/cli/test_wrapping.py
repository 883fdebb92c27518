"""Where the lines of a terminal end, and where none are broken."""

from __future__ import annotations

import io
import os
import pty

import pytest
from rich.cells import cell_len

from tasks.cli import saying, wrapping
from tasks.cli.wrapping import width_of, wrapped


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("it fits in here", ["it fits in here"]),
        ("train: complete, 7 records in 2", ["train: complete, 7 records in", "  2"]),
        (
            "  to do:    put it there, or name another",
            ["  to do:    put it there, or", "            name another"],
        ),
        ("  ok:      one two three four fiv", ["  ok:      one two three four", "           fiv"]),
        (
            "  a label as long as this: and a text of words",
            ["  a label as long as this: and", "    a text of words"],
        ),
        ("  130  interrupted by someone else", ["  130  interrupted by someone", "       else"]),
        ("say `shardmill verify RAW --all`", ["say", "  `shardmill verify RAW --all`"]),
        ("exactly as wide as thirty ones", ["exactly as wide as thirty ones"]),
        ("exactly as wide as thirty ones a", ["exactly as wide as thirty ones", "  a"]),
        ("日本語 日本語 日本語 日本語 日本語", ["日本語 日本語 日本語 日本語", "  日本語"]),
    ],
)
def test_lines_end_between_words_and_go_on_below_their_text(text: str, lines: list[str]) -> None:
    assert wrapped(text, 30).split("\n") == lines
    assert all(cell_len(line) <= 30 for line in lines)


@pytest.mark.parametrize(
    "text",
    [
        "now: shardmill imagenet --raw RAW --config own.toml --out OUT",
        "  to do:    /usr/bin/python3.13 -m pip install 'numpy>=2'",
        "command: shardmill imagelist 'a, b.lst' --out OUT",
        "complete: /a/path/that/is/longer/than/a/line/of/the/terminal",
    ],
)
def test_what_is_to_be_copied_is_not_broken(text: str) -> None:
    assert wrapped(text, 30) == text


def test_behind_what_is_longer_than_a_line_it_goes_on_where_the_terminal_has_room() -> None:
    path = "/a/path/that/is/longer/than/a/line"
    text = wrapped(f"written: {path}, 3 rows and 4 columns", 30)
    assert text.split("\n") == [f"written: {path}, 3 rows and 4", "  columns"]


def test_what_is_longer_than_a_line_begins_in_one_that_is_not_half_full() -> None:
    path = "/a/path/that/is/longer/than/a/line"
    assert wrapped(f"complete, 24 records: {path}", 30).split("\n") == [
        "complete, 24 records:",
        f"  {path}",
    ]


def test_no_width_is_known_but_that_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "50")
    assert width_of(io.StringIO()) is None
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as stream:
        assert width_of(stream) == 50
        monkeypatch.setenv("TERM", "dumb")
        assert width_of(stream) is None
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("COLUMNS")
        assert width_of(stream) is None  # a terminal of no columns, as over a serial line
    os.close(leader)


def test_what_programs_read_is_printed_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wrapping, "width_of", lambda _: 20)
    saying.say("one two three four five six")
    saying.say_as_it_is("one two three four five six")
    assert capsys.readouterr().out.splitlines() == [
        *("one two three four", "  five six"),
        "one two three four five six",
    ]


def test_text_of_one_word_is_that_word() -> None:
    assert wrapped("x" * 99, 20) == "x" * 99
    assert wrapped("", 20) == ""
    assert wrapped(f"\n{' ' * 40}\n", 20) == "\n\n"
    assert wrapping.NARROWEST <= 20
