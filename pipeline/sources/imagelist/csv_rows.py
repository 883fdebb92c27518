"""Rows of CSV and TSV: a header, and fields that may be quoted as RFC 4180 says.

Of that RFC it is taken that a quote begins a quoted field only where the field begins, that two
quotes in it are one, and that it may hold delimiters and ends of lines. Lines end in LF or CR LF.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from functools import partial

from pipeline.errors import BadAnnotation
from pipeline.sources.imagelist.columns import Row, unknown_column
from pipeline.sources.imagelist.lst_refusals import refused, shown
from pipeline.sources.imagelist.text_blocks import text_lines
from pipeline.storage import Location

_NAMES = {",": "commas", "\t": "TABs", ";": "semicolons"}


def rows(path: Location, columns: Sequence[str], *, delimiter: str) -> Iterator[Row]:
    """Yield the rows of a list; empty lines are passed over.

    Raises:
        BadAnnotation: the header has not each of the columns once; a row has not as many fields
            as the header; a quote is not closed, or stands before something else than a delimiter.
    """
    places: list[int] = []
    width = 0
    for line, fields in _records(path, delimiter):
        if not places:
            header = [name.strip() for name in fields]
            places = [_place(path, line, name, header, delimiter) for name in columns]
            width = len(header)
            continue
        if len(fields) != width:
            few = len(fields) < width
            raise refused(
                path,
                line,
                f"the row is too {'short' if few else 'long'}",
                f"{width} fields, as the header has",
                f"{len(fields)}: {shown(delimiter.join(fields))}",
                "correct the row; a field that holds a delimiter stands in double quotes",
            )
        yield Row(line, tuple(fields[place] for place in places))
    if not places:
        what = "a list without a header"
        wanted = f"the columns {', '.join(columns)}"
        remedy = "name the columns in the first line, and write a row for each image"
        raise refused(path, 1, what, wanted, "nothing", remedy)


def header(path: Location, *, delimiter: str) -> tuple[str, ...]:
    """Return the names of the columns; none of a list without a line.

    Raises:
        BadAnnotation: a quote is not closed, or stands before something else than a delimiter.
    """
    _, fields = next(_records(path, delimiter), (0, []))
    return tuple(name.strip() for name in fields)


comma_rows = partial(rows, delimiter=",")
"""`rows` of CSV."""
tab_rows = partial(rows, delimiter="\t")
"""`rows` of TSV."""
comma_header = partial(header, delimiter=",")
"""`header` of CSV."""
tab_header = partial(header, delimiter="\t")
"""`header` of TSV."""


def _records(path: Location, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that holds something, with the number of the line it begins in."""
    reader = csv.reader(text_lines(path), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise _broken(path, line, str(error)) from error
        if fields is None:
            return
        if len(fields) > 1 or (fields and fields[0].strip(" \t")):
            yield line, fields


def _broken(path: Location, line: int, said: str) -> BadAnnotation:
    """Return the refusal of a record that the reader does not take."""
    return refused(
        path,
        line,
        "the row that begins here is broken, such as by a quote that is not closed",
        "fields without quotes, or in double quotes from end to end, with each quote in it doubled",
        said,
        'correct the row: a field a"b is written "a""b"; lines end in LF or CR LF',
    )


def _place(path: Location, line: int, name: str, header: Sequence[str], delimiter: str) -> int:
    """Return which field a column is.

    Raises:
        BadAnnotation: it is none, or more than one.
    """
    times = header.count(name)
    if times == 1:
        return header.index(name)
    if times:
        what, wanted = f"the column {shown(name)} is there {times} times", "each column once"
        remedy = "give each column a name of its own in the first line"
        raise refused(path, line, what, wanted, shown(delimiter.join(header)), remedy)
    other = next((mark for mark in _NAMES if mark != delimiter and mark in "".join(header)), None)
    remedy = ""
    if len(header) == 1 and other is not None:
        remedy = f"separate the fields with {_NAMES[delimiter]}, not with {_NAMES[other]}"
        remedy += "; lists with TABs are called .tsv" if other == "\t" else ""
    elif "." in "".join(header):
        remedy = "name the columns in the first line, or with --path-column and --label-column"
    raise unknown_column(path, line, name, header, remedy)
