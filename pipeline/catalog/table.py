"""The catalog: one row per image of a split, the one table between sources and formats.

It is written and read in parts of `ROWS` or so: nobody holds the whole of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.catalog import earlier, objects
from pipeline.storage import Location
from pipeline.storage import table_bounds as tablebounds

VERSION = 5
"""Of the columns: of catalogs and plans. It is in their digests, and in no other."""
ROWS = 1 << 14
"""How many rows a row group has, about."""

SCHEMA = pa.schema(
    [
        ("key", pa.string()),  # unique in the split
        ("filename", pa.string()),  # as the data set, or a list, names the file of the image
        ("source", pa.string()),  # file that holds the bytes, in RAW or the tree
        ("offset", pa.int64()),  # bytes from the start of that file
        ("length", pa.int64()),  # bytes; -1: there is no such file
        ("class_index", pa.int32()),  # 0-based in the label table; -1: none
        ("class_id", pa.dictionary(pa.int32(), pa.string())),  # such as a WNID; empty: none
        ("class_text", pa.dictionary(pa.int32(), pa.string())),  # the class in words
        ("labels", pa.list_(pa.float32())),  # what an image list says; empty: class_index says all
        ("id", pa.uint64()),  # unique in the split: its number in the image list
        ("line", pa.int32()),  # in the image list, from 1; 0: there is none
        ("objects", objects.TYPE),  # on the image
    ]
)
"""Columns of a catalog and of a plan. Rows of a catalog are in the order of their source: by key,
bytewise, of archives and trees; line by line of an image list."""

SIZES = pa.schema([("width", pa.int32()), ("height", pa.int32())])
"""Pixels that annotations say an image has: columns behind those of `SCHEMA`, in a catalog and plan
of images that somebody has annotated in pixels. Others have none, and nothing is compared then."""

_ALIKE = ["source", "class_index", "class_id", "class_text", "line"]
_ALIKE += [f"objects.list.element.{name}" for name in ("class_index", "class_id", "flags", "mask")]
# Columns of few values: to look for a dictionary of others takes longer than to write them.


def schema_like(names: Iterable[str]) -> pa.Schema:
    """Return the columns of a table of such columns: `SCHEMA`, with `SIZES` if they are there."""
    is_sized = {*SIZES.names} <= {*names}
    return pa.schema([*SCHEMA, *SIZES]) if is_sized else SCHEMA


def write(staged: storage.StagedFile, tables: Iterable[pa.Table]) -> tuple[int, int]:
    """Write tables as Parquet, a row group each; equal tables give equal bytes.

    All have `SIZES`, or none.

    Returns:
        The number of rows, and that of the objects on all images.
    """
    rows = boxes = 0
    options = {"compression": "zstd", "use_dictionary": _ALIKE}
    tables = iter(tables)
    first = next(tables, SCHEMA.empty_table())
    schema = schema_like(first.column_names)
    with staged.stream() as stream, pq.ParquetWriter(stream, schema, **options) as writer:
        for table in chain([first] if first.num_rows else [], tables):
            writer.write_table(table.cast(schema), row_group_size=max(1, table.num_rows))
            rows += table.num_rows
            boxes += objects.count(table["objects"])
    return rows, boxes


def read(path: Location, *, with_sizes: bool = False) -> Iterator[pa.Table]:
    """Yield the row groups of a catalog, of an earlier version, too, in order.

    Args:
        path: the catalog.
        with_sizes: whether `SIZES` are among their columns, if the catalog has them.
    """
    with storage.open_arrow(path) as file:
        catalog = pq.ParquetFile(file)
        tablebounds.check_groups(catalog, file)
        for group in range(catalog.num_row_groups):
            stored = catalog.read_row_group(group, use_threads=False)
            schema = schema_like(stored.column_names)
            table = earlier.as_now(stored, SCHEMA).cast(schema)
            check(table)
            yield table if with_sizes else table.select(SCHEMA.names)


def check(rows: pa.Table | pa.RecordBatch) -> None:
    """Check, in the context of `storage.open_arrow`, that every value of some rows can be read.

    Raises:
        pa.ArrowInvalid: one cannot, or the columns are not those of a catalog.
    """
    storage.check_table(rows, schema_like(rows.schema.names))
    objects.check(rows.column("objects"))


def columns(rows: pa.Table | pa.RecordBatch) -> dict[str, list[Any]]:
    """Return the columns of rows as lists of Python values.

    In the place of `objects`, `boxes`, `box_classes`, `box_ids`, `flags` and `mask_files` have a
    tuple an image, all but the first two an empty one where nobody says any flag, or has a mask;
    in that of `SIZES`, `annotated_size` has (width, height) in pixels, or None.
    """
    lists = {name: _listed(rows.column(name)) for name in SCHEMA.names if name != "objects"}
    listed = rows.column("objects")
    lists |= {"boxes": objects.boxes(listed), "box_classes": objects.class_indexes(listed)}
    lists |= {"box_ids": objects.class_ids(listed), "flags": objects.flags(listed)}
    return lists | {"mask_files": objects.masks(listed), "annotated_size": _annotated_sizes(rows)}


def _listed(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Return Python values; those of a dictionary are decoded first, which takes a tenth."""
    decodes = pa.types.is_dictionary(column.type)
    return list((column.cast(column.type.value_type) if decodes else column).to_pylist())


def dicts(rows: pa.Table | pa.RecordBatch) -> list[dict[str, Any]]:
    """Return rows one by one, with the names of `columns`."""
    listed = columns(rows)
    return [dict(zip(listed, values, strict=True)) for values in zip(*listed.values(), strict=True)]


def _annotated_sizes(rows: pa.Table | pa.RecordBatch) -> list[tuple[int, int] | None]:
    if not {*SIZES.names} <= {*rows.schema.names}:
        return [None] * rows.num_rows
    sides = (rows.column(name).to_pylist() for name in SIZES.names)
    return list(zip(*sides, strict=True))


def file_names(paths: pa.StringArray) -> pa.StringArray:
    """Return what follows the last "/" of each path."""
    parts = pc.split_pattern(paths, "/", max_splits=1, reverse=True)
    return parts.values.take(pa.array(parts.offsets.to_numpy()[1:] - 1))


def read_words(path: Location) -> dict[str, pa.StringArray]:
    """Return what each dictionary column of a catalog holds, by name; first come, first."""
    names = [field.name for field in SCHEMA if pa.types.is_dictionary(field.type)]
    seen: dict[str, dict[str, None]] = {name: {} for name in names}
    with storage.open_arrow(path) as file:
        catalog = pq.ParquetFile(file)
        tablebounds.check_groups(catalog, file)
        for group in range(catalog.num_row_groups):
            table = catalog.read_row_group(group, columns=names, use_threads=False)
            for name in names:
                seen[name] |= dict.fromkeys(pc.unique(table[name].cast(pa.string())).to_pylist())
    return {name: pa.array(words, pa.string()) for name, words in seen.items()}
