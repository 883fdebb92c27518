"""The columns of a list whose columns have names, as CSV and JSONL have."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.errors import BadAnnotation, abbreviate
from pipeline.names import meant
from pipeline.sources.imagelist.lst_refusals import refused, shown
from pipeline.storage import Location

Cell: TypeAlias = str | int | float
"""A value: of CSV always a text, of JSONL a text or a number."""


@dataclass(frozen=True)
class Row:
    """A row of a list.

    Attributes:
        line: where it begins, from 1.
        cells: its values in the columns that were asked for, in that order.
    """

    line: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Columns:
    """Which columns hold what.

    Attributes:
        path: the column of the paths.
        label: that of the labels.
        split: that of the names of splits; empty: it is not read.
    """

    path: str = "path"
    label: str = "label"
    split: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, in the order of the cells of a `Row`."""
        return (self.path, self.label, *([self.split] if self.split else []))


PATH_AND_LABEL = Columns()
"""The columns that are read where none are named."""


def unknown_column(
    path: Location, line: int, name: str, known: Iterable[str], remedy: str = ""
) -> BadAnnotation:
    """Return the refusal of a list that lacks a column; it names the nearest one there is."""
    names = list(known)
    likely = meant(name, names)
    hint = f"; did you mean {shown(likely)}?" if likely else ""
    return refused(
        path,
        line,
        f"there is no column {shown(name)}{hint}",
        f"a column {shown(name)}",
        abbreviate(map(shown, names)) or "no column",
        remedy or "name the columns with --path-column, --label-column and --split-column",
    )
