"""Rows of the CSV files of a split, spilled to disk by ImageID.

The files are not all sorted, and their rows are too many for memory. A bucket has all rows of some
images, and of no others: it is worked on alone. Buckets are in the order of ImageIDs, and none has
images of two first digits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.catalog.spill import Buckets
from pipeline.sources.openimages import ids, tables
from pipeline.storage import Location

_CORNERS: Final = ("xmin", "xmax", "ymin", "ymax")
_ID: Final = ("id", pa.uint64())
_LABEL: Final = ("label", pa.int32())  # its place in `Words`
_SIDES: Final = tuple((side, pa.float64()) for side in _CORNERS)

BOXES: Final = pa.schema(
    [
        _ID,
        _LABEL,
        *_SIDES,
        ("source", pa.int32()),  # its place in other `Words`
        ("confidence", pa.float64()),
        *((flag, pa.int8()) for flag in tables.FLAGS),
    ]
)
MASKS: Final = pa.schema(
    [
        _ID,
        _LABEL,
        *_SIDES,
        ("box_id", pa.string()),
        ("mask_path", pa.string()),
        ("predicted_iou", pa.float64()),
    ]
)
LABELS: Final = pa.schema([_ID, _LABEL, ("source", pa.int32()), ("confidence", pa.float64())])

_FIRST_DIGITS: Final = 16
_MOST_BUCKETS: Final = 192
"""Each is an open file for each kind of CSV file."""
_BUFFER: Final = 1 << 14  # bytes of each file that are written at once
_ROWS_AT_ONCE: Final = 1 << 14  # few rows for each bucket take long to write


class Words:
    """Texts that occur again and again, each with a number: its place among them."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self._numbers = {word: number for number, word in enumerate(words)}

    def numbers(self, column: pa.ChunkedArray) -> pa.Array:
        """Return the number of each text; new ones get the next."""
        distinct = pc.unique(column).to_pylist()
        for word in distinct:
            self._numbers.setdefault(word, len(self._numbers))
        places = pc.index_in(column, pa.array(distinct, pa.string())).to_numpy()
        return pa.array(
            np.array([self._numbers[word] for word in distinct], np.int32)[places], pa.int32()
        )

    @property
    def words(self) -> pa.StringArray:
        """All texts, in the order of their numbers."""
        return pa.array(list(self._numbers), pa.string())


class Spill:
    """The rows of one CSV file; leaving the context removes the temporary files.

    There are none while the rows are few, as they mostly are of a small split or a rare class.

    Args:
        path: what they are for; they lie beside it.
        schema: one of this module.
        words: of the columns `label` and `source`; the same of all files of a split.
        buckets: how many buckets there are; see `bucket_count`.
    """

    def __init__(
        self, path: Location, schema: pa.Schema, words: Mapping[str, Words], buckets: int
    ) -> None:
        self._schema = schema
        self._words = words
        self._count = buckets
        self._buckets = Buckets(path, schema, buckets, _BUFFER)
        self._stack = ExitStack()
        self._is_on_disk = False
        self._waiting = [schema.empty_table()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def add(self, rows: pa.Table) -> None:
        """Add rows as `pipeline.annotations.openimages.rows` gives them."""
        numbers = ids.numbers(rows["image_id"])
        columns: list[pa.Array | pa.ChunkedArray] = [pa.array(numbers)]
        for name in self._schema.names[1:]:
            values = rows[name]
            words = self._words.get(name)
            columns.append(values if words is None else words.numbers(values))
        self._waiting.append(pa.table(columns, self._schema))
        if sum(part.num_rows for part in self._waiting) >= _ROWS_AT_ONCE:
            self._write()

    def read(self, bucket: int) -> pa.Table:
        """Return the rows of a bucket by ImageID, those of an image in the order of their file.

        After the first call none can be added.
        """
        if self._is_on_disk:
            self._write()
            rows = self._buckets.read(bucket)
        else:
            rows = pa.concat_tables(self._waiting)
            rows = rows.filter(pa.array(self._places(rows) == bucket))
        return by_image(rows)

    def _places(self, rows: pa.Table) -> NDArray[np.int64]:
        """Return the bucket of each row: ImageIDs ascend from one to the next."""
        first = column(rows, "id") >> np.uint64(32)
        return (first * np.uint64(self._count) >> np.uint64(32)).astype(np.int64)

    def _write(self) -> None:
        if not self._is_on_disk:
            self._stack.enter_context(self._buckets)
            self._is_on_disk = True
        if self._waiting:
            rows = pa.concat_tables(self._waiting)
            self._buckets.add(rows, self._places(rows))
            self._waiting.clear()
            del rows
            pa.default_memory_pool().release_unused()


def bucket_count(bytes_of_files: int, bytes_of_bucket: int = 10 << 20) -> int:
    """Return how many buckets the rows of CSV files of so many bytes are divided into."""
    each = -(-bytes_of_files // (_FIRST_DIGITS * bytes_of_bucket))
    return min(_MOST_BUCKETS, _FIRST_DIGITS * max(1, each))


def column(rows: pa.Table, name: str) -> NDArray[Any]:
    """Return a column without nulls as an array of numbers."""
    values: NDArray[Any] = rows[name].to_numpy()
    return values


def by_image(rows: pa.Table) -> pa.Table:
    """Return rows in the order of their ImageIDs, those of an image as they were.

    Rows that are in that order already are not copied.
    """
    image_ids = column(rows, "id")
    if not (image_ids[1:] >= image_ids[:-1]).all():
        rows = rows.take(pa.array(np.argsort(image_ids, kind="stable")))
    return rows.combine_chunks()


def at(rows: pa.Table, places: NDArray[np.int64]) -> pa.Table:
    """Return the rows at some places, which are ascending; all of them are not copied."""
    return rows if len(places) == rows.num_rows else rows.take(pa.array(places))


def corners(rows: pa.Table) -> NDArray[np.float64]:
    """Return (rows, 4): xmin, xmax, ymin and ymax of each."""
    return np.stack([column(rows, side).astype(np.float64) for side in _CORNERS], axis=1)


def pieces(rows: pa.Table, most: int) -> Iterator[pa.Table]:
    """Yield rows that are sorted by ImageID in pieces of about `most`, whole images each."""
    image_ids = column(rows, "id")
    start = 0
    while start < len(image_ids):
        last = image_ids[min(start + most, len(image_ids)) - 1]
        stop = int(np.searchsorted(image_ids, last, "right"))
        yield rows.slice(start, stop - start)
        start = stop
