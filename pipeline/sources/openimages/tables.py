"""The tables of Open Images below an output folder: what is chosen, and what came of it.

All are Parquet, sorted by image_id bytewise, and equal rows give equal bytes. They are written and
read a part at a time: nobody holds the whole of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.storage import Location
from pipeline.storage import table_bounds as tablebounds

GROUP: Final = 512
"""How many images one task collects, at least."""
MOST_GROUPS: Final = 1024
"""How many groups a split has, at most."""
FLAGS: Final = ("occluded", "truncated", "group_of", "depiction", "inside")
"""Flags of objects: 1 yes, 0 no, -1 unknown; null: the CSV file has no such column."""

IMAGES: Final = pa.schema(
    [
        ("image_id", pa.string()),  # 16 hex digits, unique
        ("classes", pa.list_(pa.int32())),  # indexes of its positive classes, ascending
        ("negatives", pa.list_(pa.int32())),  # of those verified to be absent, ascending
    ]
)
"""The images of a selection; a row group is a group of images that one task collects."""

OBJECTS: Final = pa.schema(
    [
        ("image_id", pa.string()),
        ("label", pa.string()),  # MID as the CSV file has it
        ("class_index", pa.int32()),  # 0-based in the label table
        ("class_name", pa.string()),  # of that index
        *((side, pa.float64()) for side in ("xmin", "xmax", "ymin", "ymax")),  # fractions
        ("source", pa.string()),  # such as xclick; null: a mask without box
        ("confidence", pa.float64()),
        *((flag, pa.int8()) for flag in FLAGS),
        ("box_id", pa.string()),  # null: a box without mask
        ("mask_path", pa.string()),
        ("predicted_iou", pa.float64()),  # null: a box without mask, or nobody says
    ]
)
"""The objects on those images; within an image in the order of the CSV files, boxes first. No row
group has images of two first digits."""

LABELS: Final = pa.schema(
    [
        ("image_id", pa.string()),
        ("label", pa.string()),  # MID
        ("class_index", pa.int32()),
        ("source", pa.string()),  # such as verification
        ("confidence", pa.float64()),  # 0: verified to be absent
    ]
)
"""Labels of whole images, of those images, in the order of the CSV file within an image."""

GROUP_TABLE: Final = pa.schema(
    [
        ("image_id", pa.string()),
        ("outcome", pa.string()),  # fetched, kept, absent, forbidden or bad
        ("url", pa.string()),
        ("status", pa.int32()),  # of the last answer
        ("tries", pa.int32()),
        ("detail", pa.string()),
        ("bytes", pa.int64()),
        ("md5", pa.string()),  # hex; null: there is no image
        ("xxh3", pa.binary(16)),
        ("width", pa.int32()),  # pixels
        ("height", pa.int32()),
        ("etag", pa.string()),  # null: the server says none
        ("asked", pa.string()),  # when it was last asked for, if it is not there; else null
    ]
)
"""What came of one group of images, a row each."""

MASK_TABLE: Final = pa.schema(
    [
        ("mask_path", pa.string()),
        ("image_id", pa.string()),
        ("outcome", pa.string()),  # kept, missing, black, ...
        ("bytes", pa.int64()),
        ("crc32", pa.uint32()),
        ("width", pa.int32()),  # pixels
        ("height", pa.int32()),
    ]
)
"""What came of the masks of images of one first digit, a row each."""


def group_size(images: int) -> int:
    """Return how many images each group of a split has; the last one may have fewer."""
    return max(GROUP, -(-images // MOST_GROUPS))


def group_count(images: int) -> int:
    """Return how many groups the images of a split are divided into."""
    return -(-images // group_size(images))


class Writer:
    """Writes a table as Parquet, a row group at a time.

    Args:
        staged: the file.
        schema: one of this module.
    """

    def __init__(self, staged: storage.StagedFile, schema: pa.Schema) -> None:
        self._schema = schema
        self._staged = staged
        self._stack = ExitStack()
        self.rows = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stream = stack.enter_context(self._staged.stream())
            options: dict[str, Any] = {"compression": "zstd", "write_statistics": ["image_id"]}
            writer = pq.ParquetWriter(stream, self._schema, **options)
            self._writer = stack.enter_context(writer)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def add(self, rows: pa.Table) -> None:
        """Write rows as one row group; no rows are none. Other columns are passed over."""
        if rows.num_rows:
            rows = rows.select(self._schema.names).cast(self._schema)
            self._writer.write_table(rows, row_group_size=rows.num_rows)
        self.rows += rows.num_rows


def write(staged: storage.StagedFile, schema: pa.Schema, parts: Iterable[pa.Table]) -> int:
    """Write tables as Parquet, a row group each, and return how many rows they have.

    Args:
        staged: the file.
        schema: one of this module.
        parts: the rows, with the columns of the schema in any order.
    """
    with Writer(staged, schema) as writer:
        for rows in parts:
            writer.add(rows)
    return writer.rows


def read(path: Location, schema: pa.Schema, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """Yield the row groups of a table, in order.

    Args:
        path: of the table.
        schema: one of this module.
        columns: names of columns that are read, in the order of the schema; None: all.

    Raises:
        OutputDamaged: the file is not what was written.
    """
    with storage.open_arrow(path) as file:
        table = pq.ParquetFile(file)
        tablebounds.check_groups(table, file)
        for group in range(table.num_row_groups):
            yield _row_group(table, group, schema, columns)


def read_group(path: Location, schema: pa.Schema, group: int) -> pa.Table:
    """Return the row group of a number, from 0.

    Raises:
        OutputDamaged: the file is not what was written, or has no such row group.
    """
    with storage.open_arrow(path) as file:
        table = pq.ParquetFile(file)
        tablebounds.check_groups(table, file)
        if group >= table.num_row_groups:
            raise pa.ArrowInvalid(f"no row group {group}")
        return _row_group(table, group, schema, None)


def group_ids(path: Location, group: int) -> list[str]:
    """Return the ImageIDs of a group of images, ascending, from the table of images at `path`."""
    ids: list[str] = read_group(path, IMAGES, group)["image_id"].to_pylist()
    return ids


def groups_with(path: Location, digit: str) -> list[int]:
    """Return the groups with an image whose ImageID begins with a digit, ascending.

    Args:
        path: of the table of images of a selection.
        digit: a hex digit.

    Raises:
        OutputDamaged: the file is not what was written.
        Vanished: there is none.
    """
    with storage.open_arrow(path) as file:
        table = pq.ParquetFile(file)
        tablebounds.check_groups(table, file)
        ends = (_ends(table, group) for group in range(table.num_row_groups))
        return [group for group, (low, high) in enumerate(ends) if low[:1] <= digit <= high[:1]]


def read_digit(
    path: Location, schema: pa.Schema, digit: str, columns: list[str] | None = None
) -> Iterator[pa.Table]:
    """Yield the row groups of images whose ImageID begins with a digit; see `read`.

    Of a table whose row groups have images of one first digit each, as that of objects has.
    """
    with storage.open_arrow(path) as file:
        table = pq.ParquetFile(file)
        tablebounds.check_groups(table, file)
        for group in range(table.num_row_groups):
            if _ends(table, group)[0].startswith(digit):
                yield _row_group(table, group, schema, columns)


def _ends(table: pq.ParquetFile, group: int) -> tuple[str, str]:
    """Return the first and the last ImageID of a row group."""
    statistics = table.metadata.row_group(group).column(0).statistics
    if statistics is None or not statistics.has_min_max:
        raise pa.ArrowInvalid("a row group that does not say which images it has")
    return str(statistics.min), str(statistics.max)


def _row_group(
    table: pq.ParquetFile, group: int, schema: pa.Schema, columns: list[str] | None
) -> pa.Table:
    rows = table.read_row_group(group, columns=columns, use_threads=False)
    chosen = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    storage.check_table(rows, chosen)
    return rows
