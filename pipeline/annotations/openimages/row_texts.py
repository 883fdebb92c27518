"""The rows of Open Images' CSV files as they stand there, with the texts of a few columns.

Neither a table is made nor Arrow imported, which takes longer than to read a small file.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.annotations.openimages import plain_rows
from pipeline.annotations.openimages.choice import Choice, numbers
from pipeline.annotations.openimages.columns import ID, Column, Kind
from pipeline.annotations.openimages.header import Header
from pipeline.annotations.openimages.records import Records
from pipeline.annotations.openimages.row_refusals import refusal
from pipeline.storage import Location

ROWS: Final = 1 << 11
"""About how many rows a batch has; the last one has fewer, and one of a dense file more."""

_HEX_DIGITS: Final = b"0123456789abcdef"


@dataclass(frozen=True, eq=False)
class TextBatch:
    """Some rows of a file, in its order.

    Attributes:
        images: (n,) their ImageIDs, as numbers.
        texts: name of a column -> (n,) its texts; the columns are those of the kind of file.
        lines: (n,) the line of each in the file, from 1; of several lines the first.
        raw: (n,) the bytes of each, without the end of the line: all columns, as `csv.writer`
            spells them.
    """

    images: NDArray[np.uint64]
    texts: Mapping[str, Sequence[bytes]]
    lines: Sequence[int]
    raw: Sequence[bytes]

    def __len__(self) -> int:
        return len(self.raw)


def read(path: Location, kind: Kind, choice: Choice) -> Iterator[TextBatch]:
    """Yield the wanted rows of a file.

    Args:
        path: of the file.
        kind: what it is read as; a column of it is `image_id`.
        choice: which rows are wanted.

    Raises:
        BadAnnotation: see `rows.read_boxes`; what is asked of values is asked of the columns of
            `kind` alone, and of each by itself.
        Vanished: there is no such file.
    """
    records = Records(path, kind)
    known = {column: set[bytes]() for column in kind.columns}
    for lines, raw in records.batches(choice, ROWS):
        yield _batch(records.header, lines, raw, known)


def _batch(
    header: Header, lines: Sequence[int], raw: Sequence[bytes], known: Mapping[Column, set[bytes]]
) -> TextBatch:
    columns = _columns(header, raw)
    for column in header.kind.columns:
        if column.form is not ID and not _are_known(column, columns[column.name], known[column]):
            raise refusal(header, lines, raw, column.header)
    ids = columns["image_id"]
    try:
        images = numbers(ids)
    except ValueError as error:
        raise refusal(header, lines, raw, str(error)) from error
    if b"".join(ids).translate(None, _HEX_DIGITS):
        raise refusal(header, lines, raw, "an ImageID in upper case")
    return TextBatch(images, columns, lines, raw)


def _columns(header: Header, raw: Sequence[bytes]) -> dict[str, list[bytes]]:
    """Return the columns of the kind of file, by name."""
    rows = plain_rows.parse(b"\n".join([*raw, b""]), header.width)
    if rows is not None:
        return {name: rows.fields(place) for name, place in header.places.items()}
    texts = (row.decode("utf-8", "surrogateescape") for row in raw)
    fields = [next(csv.reader([text], strict=True)) for text in texts]
    return {
        name: [row[place].encode("utf-8", "surrogateescape") for row in fields]
        for name, place in header.places.items()
    }


def _are_known(column: Column, texts: Sequence[bytes], known: set[bytes]) -> bool:
    """Whether all texts stand for values; there are few distinct ones, and each is asked once."""
    if known.issuperset(texts):
        return True
    new = {*texts} - known
    if not all(column.form.accepts(text.decode("utf-8", "replace")) for text in new):
        return False
    known.update(new)
    return True
