"""Why rows of a CSV file are refused: the first of them that is not of its form, and where."""

from __future__ import annotations

import csv
from collections.abc import Sequence

from pipeline import plaintext
from pipeline.annotations.openimages.columns import Column
from pipeline.annotations.openimages.header import REMEDY, Header
from pipeline.errors import BadAnnotation


def refusal(
    header: Header, lines: Sequence[int], rows: Sequence[bytes], otherwise: str
) -> BadAnnotation:
    """Return the refusal of the first row that is not of its form.

    Args:
        header: of the file.
        lines: the line of each row, from 1.
        rows: the bytes of each, without the end of the line.
        otherwise: what is said where each of them seems to be.
    """
    for line, row in zip(lines, rows, strict=True):
        try:
            fields = next(csv.reader([row.decode()], strict=True))
        except UnicodeDecodeError:
            found = plaintext.quoted(row)
            return _refused(header, line, "a row that is no text", "UTF-8", found)
        except csv.Error as error:
            return _refused(header, line, "a row that cannot be read", "CSV", str(error))
        if flaw := _flaw(header, line, fields):
            return flaw
    place = lines[0]
    return _refused(header, place, "rows that cannot be read", "CSV", otherwise)


def _flaw(header: Header, line: int, fields: Sequence[str]) -> BadAnnotation | None:
    kind = header.kind
    texts = {column: fields[header.places[column.name]] for column in kind.columns}
    for column, text in texts.items():
        if not column.form.accepts(text):
            what = f"{column.header} is not what it can be"
            found = plaintext.quoted(text)
            return _refused(header, line, what, column.form.expected, found)
    for low, high in ((kind.column(low), kind.column(high)) for low, high in kind.pairs):
        if float(texts[high]) < float(texts[low]):
            return _reversed(header, line, low, high, texts)
    if kind.spelled is not None:
        name, spelling = kind.spelled
        column = kind.column(name)
        expected = spelling({each.name: text for each, text in texts.items()})
        if texts[column] != expected:
            what = f"{column.header} is of another row"
            return _refused(header, line, what, expected, plaintext.quoted(texts[column]))
    return None


def _reversed(
    header: Header, line: int, low: Column, high: Column, texts: dict[Column, str]
) -> BadAnnotation:
    found = f"{low.header} {texts[low]}, {high.header} {texts[high]}"
    what = f"{high.header} is below {low.header}"
    return _refused(header, line, what, "the smaller one first", found)


def _refused(header: Header, line: int, what: str, expected: str, found: str) -> BadAnnotation:
    return BadAnnotation(
        what,
        file=str(header.path),
        place=f"line {line}",
        expected=expected,
        found=found,
        remedy=REMEDY,
    )
