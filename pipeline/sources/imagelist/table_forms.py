"""The forms of image lists whose columns have names, by which each is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from pipeline import storage
from pipeline.archives.parquet_names import PARQUET
from pipeline.sources.imagelist import csv_rows, json_rows, parquet_list
from pipeline.sources.imagelist import list_contents as listcontents
from pipeline.sources.imagelist import split_column as splitcolumn
from pipeline.sources.imagelist.columns import Row
from pipeline.sources.imagelist.text_blocks import BOM
from pipeline.storage import Location

ReadRows: TypeAlias = Callable[[Location, Sequence[str]], Iterator[Row]]
"""Yields the rows of a list, with the cells of some columns."""

FORMS: Final[Mapping[str, ReadRows]] = {
    ".csv": csv_rows.comma_rows,
    ".tsv": csv_rows.tab_rows,
    ".jsonl": json_rows.rows,
    ".ndjson": json_rows.rows,
    PARQUET: parquet_list.rows,
}
"""Every form of such a list, a line each: what its name ends in, and what reads it."""

_HEADERS: Final[Mapping[ReadRows, Callable[[Location], tuple[str, ...]]]] = {
    csv_rows.comma_rows: csv_rows.comma_header,
    csv_rows.tab_rows: csv_rows.tab_header,
    json_rows.rows: json_rows.header,
    parquet_list.rows: parquet_list.header,
}
TYPED: Final[frozenset[ReadRows]] = frozenset({json_rows.rows, parquet_list.rows})
"""Those whose values say themselves whether they are texts or numbers."""

_OF_IM2REC: Final = re.compile(rb"[ \t]*\+?[0-9]+[ \t]+[+-]?[0-9.][0-9.eE+-]*[ \t]")


def reader(path: Location) -> ReadRows:
    """Return what reads a list, by its name."""
    return FORMS[storage.extension(path.name).lower()]


def is_called_so(path: Location) -> bool:
    """Whether the name of a list is that of one of these forms."""
    return storage.extension(path.name).lower() in FORMS


def has_named_columns(path: Location) -> bool:
    """Whether a list is of one of these forms, by its name.

    A list that is called so, and whose first line is one of im2rec's, is one of those.
    """
    if not is_called_so(path) or storage.stat(path) is None:
        return is_called_so(path)
    return not _OF_IM2REC.match(listcontents.first_bytes(path).removeprefix(BOM))


def column_names(path: Location) -> tuple[str, ...]:
    """Return the names of the columns of a list, of JSONL those of its first object.

    Raises:
        BadAnnotation: the first row is not of the form.
    """
    return _HEADERS[reader(path)](path)


def splits(path: Location, column: str) -> tuple[str, ...]:
    """Return the names of the splits that a column says, sorted.

    Raises:
        BadAnnotation: there is no such column; a value is no name of a split, or differs from
            another one in nothing but upper and lower case; there are too many.
    """
    listcontents.check(path)
    return splitcolumn.names(path, reader(path)(path, (column,)))
