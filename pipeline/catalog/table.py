"""The catalog: one row per image of a split, the one table between sources and formats.

It is written and read in parts of `ROWS` or so: nobody holds the whole of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.storage import table_bounds as tablebounds

VERSION = 4
Rows = TypeVar("Rows", pa.Table, pa.RecordBatch)
ROWS = 1 << 14
"""How many rows a row group has, about."""

SCHEMA = pa.schema(
    [
        ("key", pa.string()),  # unique in the split
        ("source", pa.string()),  # file that holds the bytes, in RAW or the tree
        ("offset", pa.int64()),  # bytes from the start of that file
        ("length", pa.int64()),  # bytes; -1: there is no such file
        ("class_index", pa.int32()),  # 0-based in the label table; -1: none
        ("synset", pa.dictionary(pa.int32(), pa.string())),  # WNID; empty: none
        ("text", pa.dictionary(pa.int32(), pa.string())),  # the class in words
        # xmin, ymin, xmax, ymax of each object one after another, as fractions of the picture
        ("boxes", pa.list_(pa.float32())),
        # class of each of these objects, 0-based in the label table; -1: it names none of them;
        # empty where no object is of another class than its image
        ("box_classes", pa.list_(pa.int32())),
        ("line", pa.int32()),  # in the image list, from 1; 0: there is none
        ("id", pa.uint64()),  # unique in the split: its number in the image list
        ("labels", pa.list_(pa.float32())),  # what an image list says; empty: class_index says all
    ]
)
"""Columns of a catalog and of a plan. Rows of a catalog are in the order of their source: by key,
bytewise, of archives and trees; line by line of an image list."""


def write(staged: storage.StagedFile, tables: Iterable[pa.Table]) -> tuple[int, int]:
    """Write tables as Parquet, a row group each; equal tables give equal bytes.

    Returns:
        The number of rows, and that of the coordinates in `boxes`: four a box.
    """
    rows = corners = 0
    with staged.stream() as stream, pq.ParquetWriter(stream, SCHEMA, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table.cast(SCHEMA), row_group_size=max(1, table.num_rows))
            rows += table.num_rows
            corners += pc.sum(pc.list_value_length(table["boxes"])).as_py() or 0
    return rows, corners


def read(path: Path) -> Iterator[pa.Table]:
    """Yield the row groups of a catalog, in order."""
    with storage.open_arrow(path) as file:
        catalog = pq.ParquetFile(file)
        tablebounds.check_groups(catalog, file)
        for group in range(catalog.num_row_groups):
            table = with_all_columns(catalog.read_row_group(group, use_threads=False)).cast(SCHEMA)
            storage.check_table(table, SCHEMA)
            yield table


def with_all_columns(table: Rows) -> Rows:
    """Return a table that may be of an earlier version with the columns that it lacks."""
    name = "box_classes"
    if name in table.schema.names or "boxes" not in table.schema.names:
        return table
    nothing = pa.array([[]] * table.num_rows, SCHEMA.field(name).type)
    names = [each for each in SCHEMA.names if each in {*table.schema.names, name}]
    columns = {each: nothing if each == name else table.column(each) for each in names}
    fields = [SCHEMA.field(each) if each == name else table.schema.field(each) for each in names]
    return type(table).from_arrays(list(columns.values()), schema=pa.schema(fields))


def read_words(path: Path) -> dict[str, pa.StringArray]:
    """Return what each dictionary column of a catalog holds, by name; first come, first."""
    names = [field.name for field in SCHEMA if pa.types.is_dictionary(field.type)]
    found: dict[str, dict[str, None]] = {name: {} for name in names}
    with storage.open_arrow(path) as file:
        catalog = pq.ParquetFile(file)
        tablebounds.check_groups(catalog, file)
        for group in range(catalog.num_row_groups):
            table = catalog.read_row_group(group, columns=names, use_threads=False)
            for name in names:
                found[name] |= dict.fromkeys(pc.unique(table[name].cast(pa.string())).to_pylist())
    return {name: pa.array(words, pa.string()) for name, words in found.items()}


def tree_paths(rows: pa.Table) -> pa.ChunkedArray:
    """Return where each image lies in a tree of class folders: ``<wnid>/<name>``."""
    names = pc.replace_substring_regex(rows["key"], r"^.*/", "")
    synsets = rows["synset"].cast(pa.string())
    foldered = pc.binary_join_element_wise(synsets, names, "/")
    return pc.if_else(pc.equal(synsets, ""), names, foldered)


def read_classes(path: Path, wnids: Sequence[str], beginnings: Sequence[str] = ()) -> pa.Table:
    """Read the rows of some classes, and of those whose names begin in one of some ways."""
    with storage.open_arrow(path) as file:
        tablebounds.check_groups(pq.ParquetFile(file), file)
        wanted = pc.field("synset").isin(pa.array(list(wnids), pa.string()))
        for beginning in beginnings:
            wanted |= pc.starts_with(pc.field("synset").cast(pa.string()), beginning)
        return pq.read_table(file, schema=SCHEMA, use_threads=False, filters=wanted)
