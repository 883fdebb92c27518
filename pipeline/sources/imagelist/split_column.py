"""The column of a list that names the split of each image."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pipeline.sources import split_names as splitnames
from pipeline.sources.imagelist.columns import Cell, Row
from pipeline.sources.imagelist.lst_refusals import refused, shown
from pipeline.storage import Location

NAMED_SO: Final = "split"
"""What the column is called that is read where none is named."""

MOST: Final = 1000
"""Splits that a list may have, at most: more are no splits, but something else of each image."""

_BLANKS: Final = " \t"
_REMEDY: Final = "correct the row, or say --split NAME=1 to make one split of all images"


def name(path: Location, line: int, cell: Cell) -> str:
    """Return the split that a cell names; blanks around it are no part of it.

    Raises:
        BadAnnotation: it is empty, or files cannot be named so.
    """
    text = (cell if isinstance(cell, str) else str(cell)).strip(_BLANKS)
    if not text:
        what = "an image without a split, where others have one"
        raise refused(path, line, what, "the name of a split, such as train", "nothing", _REMEDY)
    if not splitnames.is_name(text):
        what, wanted = "a split that files cannot be named after", splitnames.EXPECTED
        raise refused(path, line, what, wanted, shown(text), _REMEDY)
    return text


def names(path: Location, rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the splits that rows of one cell name, sorted.

    Raises:
        BadAnnotation: see `name`; two differ in nothing but upper and lower case; there are more
            than `MOST`.
    """
    known: dict[str, tuple[str, int]] = {}
    for row in rows:
        split = name(path, row.line, row.cells[0])
        first, line = known.setdefault(split.lower(), (split, row.line))
        if first != split:
            what = "a split that differs from another in nothing but upper and lower case"
            found = f"{shown(split)}, and {shown(first)} in line {line}"
            raise refused(path, row.line, what, "one spelling of each split", found, _REMEDY)
        if len(known) > MOST:
            raise refused(
                path,
                row.line,
                "more splits than a data set has",
                f"{MOST:,} at most",
                f"{shown(split)} is one more",
                "name another column with --split-column, or say --split NAME=1 for one split",
            )
    return tuple(sorted(split for split, _ in known.values()))
