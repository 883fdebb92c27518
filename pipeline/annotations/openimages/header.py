"""The first line of a CSV file of Open Images: which column is where."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline import plaintext
from pipeline.annotations.openimages.columns import Column, Kind
from pipeline.errors import BadAnnotation, abbreviate
from pipeline.storage import Location

REMEDY = "fetch the file again, and compare its MD5 with the published one"
"""What can be done about a file that is not of its form."""


@dataclass(frozen=True)
class Header:
    """The columns of a file.

    Attributes:
        path: the file.
        kind: what it was read as.
        names: of all columns, in their order.
        places: where each column of `kind` is among them, by its name in tables.
        spelled: the line as `csv.writer` spells it, without its end.
    """

    path: Location
    kind: Kind
    names: tuple[str, ...]
    places: dict[str, int]
    spelled: bytes

    @property
    def width(self) -> int:
        """How many fields every row has."""
        return len(self.names)


def parse(path: Location, kind: Kind, line: bytes) -> Header:
    """Find the columns of a kind of file in its first line, without its end and byte order mark.

    Raises:
        BadAnnotation: a column is missing, or stands there twice.
    """
    text = line.decode("utf-8", "surrogateescape")
    try:
        fields = next(csv.reader([text]), [])
    except csv.Error as error:
        what = f"the first line cannot be read: {error}"
        raise _refused(path, text, what, "the names of columns, and a line end") from error
    names = tuple(name.strip() for name in fields)
    plain = [name.casefold() for name in names]
    places = {column.name: _place(plain, column) for column in kind.columns}
    if missing := [kind.column(name).header for name, place in places.items() if place < 0]:
        what = f"a column is missing: {abbreviate(missing)}"
        needed = ",".join(column.header for column in kind.columns)
        raise _refused(path, text, what, f"the columns {needed} of {kind.noun}, in any order")
    if twice := [name for name, count in Counter(plain).items() if count > 1]:
        raise _refused(
            path, text, f"a column stands there twice: {abbreviate(twice)}", "each column once"
        )
    return Header(path, kind, names, places, spell(fields))


def spell(fields: Sequence[str]) -> bytes:
    """Return a row as `csv.writer` spells it, without the end of the line."""
    spelled = io.StringIO()
    csv.writer(spelled).writerow(fields)
    return spelled.getvalue().removesuffix("\r\n").encode("utf-8", "surrogateescape")


def _place(names: list[str], column: Column) -> int:
    spellings = [name.casefold() for name in (column.header, *column.others)]
    return next((names.index(name) for name in spellings if name in names), -1)


def _refused(path: Location, text: str, what: str, expected: str) -> BadAnnotation:
    return BadAnnotation(
        what,
        file=str(path),
        place="line 1",
        expected=expected,
        found=plaintext.beginning(text, 200),
        remedy=REMEDY,
    )
