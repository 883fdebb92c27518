"""The files that say which classes there are: label tables, counts, and lists of WNIDs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from pipeline import names, plaintext, storage
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ConfigError
from pipeline.names import meant
from pipeline.storage.local.input_file import check_shareable

_COUNT: Final = re.compile("[0-9]{1,18}")  # it fits an int64
_FIND: Final = "shardmill classes finds the WNIDs of classes by their words"
_CLASS: Final = "the name of a folder, such as n01440764, that is not hidden"


def load_table(path: Path) -> LabelTable:
    """Read a label table: TAB-separated UTF-8 with a header line, columns `wnid` and `words`.

    Raises:
        ConfigError: a column is missing, a line has too many or too few fields or holds control
            characters, a WNID is missing, appears twice or can be no name of a class.
    """
    return _table(path, _text(path))


@lru_cache(maxsize=4)  # each look at a job reads it: a thousand lines to check
def _table(path: Path, text: str) -> LabelTable:
    lines = _lines_of(text)
    header = next(lines, (0, ""))[1].split("\t")
    for name in ("wnid", "words"):
        if name not in header:
            raise _refused(path, 1, f"no column {name!r}", "wnid and words", ", ".join(header))
    rows: dict[str, list[str]] = {}
    for number, line in lines:
        fields = line.split("\t")
        if len(fields) != len(header):
            raise _refused(path, number, "wrong number of fields", str(len(header)), repr(line))
        wnid = fields[header.index("wnid")]
        _check_names(path, number, wnid, fields)
        if wnid in rows:
            what = f"class {wnid} appears twice"
            raise _refused(path, number, what, "each WNID once", repr(line))
        rows[wnid] = fields
    wnids = tuple(sorted(rows))
    columns = {
        name: tuple(rows[wnid][place] for wnid in wnids) for place, name in enumerate(header)
    }
    words = columns.pop("words")
    return LabelTable(path, wnids, words, columns)


def load_counts(source: str, table: LabelTable) -> dict[str, int]:
    """Return WNID -> expected images, from ``labels:COLUMN`` or a file of ``WNID<TAB>count``.

    Raises:
        ConfigError: no such column, an unknown WNID, no whole number.
    """
    if source.startswith("labels:"):
        column = source.removeprefix("labels:")
        if column not in table.columns:
            raise _refused(table.path, 1, f"no column {column!r}", column, ", ".join(table.columns))
        pairs = zip(table.class_ids, table.columns[column], strict=True)
        return {wnid: _count(table.path, f"{column} of {wnid}", text) for wnid, text in pairs}
    path = Path(source)
    counts: dict[str, int] = {}
    for number, line in _lines(path):
        wnid, tab, text = line.partition("\t")
        if not tab or wnid in counts:
            raise _refused(path, number, "not a count", "WNID<TAB>count, each WNID once", line)
        if wnid not in table.index:
            raise _unknown_class(path, number, table, wnid)
        counts[wnid] = _count(path, f"line {number}", text)
    return counts


def load_list(path: Path, table: LabelTable) -> tuple[str, ...]:
    """Read a label list: line n is the WNID of image n.

    Raises:
        ConfigError: a line is no WNID of the table.
    """
    found: list[str] = []
    for number, line in _lines(path):
        if number != len(found) + 1:
            raise _refused(path, len(found) + 1, "an empty line", "a WNID per line", "nothing")
        if line not in table.index:
            raise _unknown_class(path, number, table, line)
        found.append(line)
    return tuple(found)


def load_numbers(path: Path, highest: int) -> frozenset[int]:
    """Read a list of images' numbers, one per line.

    Raises:
        ConfigError: a line is no number of an image, or one that was there before.
    """
    found: set[int] = set()
    for number, line in _lines(path):
        image = _count(path, f"line {number}", line)
        if not 1 <= image <= highest or image in found:
            raise _refused(path, number, "no number of an image", f"1 to {highest}, once", line)
        found.add(image)
    return frozenset(found)


def load_classes(path: Path, table: LabelTable) -> tuple[str, ...]:
    """Read a choice of classes: a WNID per line; empty lines and # comments are passed over.

    Returns:
        The chosen WNIDs, sorted.

    Raises:
        ConfigError: a line is no WNID of the table, or there is none at all.
    """
    chosen = set()
    for number, line in _lines(path):
        word = line.split("#", 1)[0].strip()
        if word and word not in table.index:
            raise _unknown_class(path, number, table, word)
        if word:
            chosen.add(word)
    if not chosen:
        raise ConfigError("no class is named", file=str(path), expected="a WNID per line")
    return tuple(sorted(chosen))


def _unknown_class(path: Path, number: int, table: LabelTable, found: str) -> ConfigError:
    """Return the refusal of a class that a table does not have: by its words, or misspelt."""
    likely = table.id_of(found) or meant(found, table.class_ids)
    refused = _refused(path, number, "unknown class", f"a WNID of {table.path}", repr(found))
    refused.remedy = f"say {likely}; shardmill classes finds others" if likely else _FIND
    return refused


def _check_names(path: Path, number: int, wnid: str, fields: Sequence[str]) -> None:
    """Raise unless a line's WNID can be a class, and its fields can stand in a table of ours."""
    if not wnid:
        raise _refused(
            path, number, "a class without a WNID", "each WNID once", repr("\t".join(fields))
        )
    if flaw := names.class_flaw(wnid):
        what = f"a WNID that can be no class: {flaw}"
        raise _refused(path, number, what, _CLASS, plaintext.quoted(wnid))
    if names.has_control("".join(fields)):
        field = next(filter(names.has_control, fields))
        what, expected = "a field that holds control characters", names.WITHOUT_CONTROL
        raise _refused(path, number, what, expected, plaintext.quoted(field))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    yield from _lines_of(_text(path))


def _text(path: Path) -> str:
    check_shareable(path, "a file of classes or labels")
    if storage.stat(path) is None:
        raise ConfigError("there is no such file", file=str(path))
    try:
        return storage.read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("not UTF-8 text", file=str(path), place=str(error)) from error


def _lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not empty, each with its number from 1."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.rstrip("\r"):
            yield number, line.rstrip("\r")


def _count(path: Path, place: str, text: str) -> int:
    if not _COUNT.fullmatch(text):
        expected, found = "a whole number", plaintext.quoted(text)
        raise ConfigError(
            "not a count", file=str(path), place=place, expected=expected, found=found
        )
    return int(text)


def _refused(path: Path, line: int, what: str, expected: str, found: str) -> ConfigError:
    return ConfigError(what, file=str(path), place=f"line {line}", expected=expected, found=found)
