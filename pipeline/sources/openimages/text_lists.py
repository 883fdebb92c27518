"""Small text files that a person gives: classes, and lists of images, a line each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pipeline import plaintext, storage
from pipeline.errors import InputRefused, UsageError
from pipeline.quantities import counted
from pipeline.storage import Location
from pipeline.storage.local.input_file import check_shareable

IMAGE: Final = re.compile(r"(train|validation|test|challenge2018)/([0-9a-f]{16})")
"""A line of a list of images, as the official downloader takes it."""
_EXPECTED: Final = "train, validation or test, a slash, and 16 hex digits in lower case"
_COMMENT: Final = "#"


def classes(path: Location) -> list[tuple[int, str]]:
    """Read classes, names or MIDs, one a line, each with its line from 1.

    Blank lines and what begins with ``#`` are passed over. Behind a MID may stand a comma and
    anything, as in the published tables of classes.

    Raises:
        UsageError: there is no such file, it is no text, or has no class.
    """
    given = []
    for number, line in _lines(path):
        text = line.strip()
        if text and not text.startswith(_COMMENT):
            given.append((number, text.partition(",")[0] if text.startswith("/") else text))
    if given and given[0] == (1, "LabelName,DisplayName"):
        del given[0]
    if not given:
        raise UsageError(
            "no class in the file",
            file=str(path),
            expected="the name or MID of a class in each line",
            found="nothing",
        )
    return given


def images(path: Location) -> dict[str, list[str]]:
    """Read a list of images, ``SPLIT/ImageID`` a line; return the ImageIDs of each split.

    They keep their order; one that stands there again is passed over.

    Raises:
        InputRefused: a line is anything else, or there is none; nothing is guessed or cut to fit.
        UsageError: there is no such file.
    """
    listed = dict[str, dict[str, None]]()
    bad = list[tuple[int, str]]()
    lines = 0
    for number, line in _lines(path):
        lines += 1
        match = IMAGE.fullmatch(line)
        if match is None:
            bad.append((number, line))
        else:
            listed.setdefault(match[1], {})[match[2]] = None
    if bad or not lines:
        raise _refused(path, bad, lines)
    return {split: list(ids) for split, ids in listed.items()}


def _refused(path: Location, bad: list[tuple[int, str]], lines: int) -> InputRefused:
    number, line = bad[0] if bad else (1, "")
    others = f"; so are {counted(len(bad) - 1, 'other line')} of {lines:,}" if bad[1:] else ""
    return InputRefused(
        "a line that names no image" + others if bad else "a list without a line",
        file=str(path),
        place=f"line {number}",
        expected=_EXPECTED,
        found=(plaintext.quoted(line) if line else "a blank line") if bad else "nothing",
        remedy=_remedy(line) if bad else "name an image in each line",
    )


def _remedy(line: str) -> str:
    """Return what to do about a line, where that can be seen."""
    if not line.strip():
        return "remove the line"
    if line.startswith("val/"):
        return "the bucket calls the split validation"
    if IMAGE.fullmatch(line.strip().removesuffix(".jpg").lower()):
        return f"write {line.strip().removesuffix('.jpg').lower()}"
    return "correct the line, or remove it"


def _lines(path: Location) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file, without their ends, and their numbers, from 1."""
    check_shareable(path, "a list")
    if storage.stat(path) is None:
        raise UsageError("there is no such file", file=str(path), expected="a text file")
    content = storage.read_bytes(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content.count(b"\n", 0, error.start)
        raise UsageError(
            "a file that is no text", file=str(path), place=f"line {before + 1}", expected="UTF-8"
        ) from error
    lines = text.removesuffix("\n").split("\n") if text else []
    for number, line in enumerate(lines, 1):
        yield number, line.removesuffix("\r")
