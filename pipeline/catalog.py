"""The catalog: one row per image of a split, the one table between sources and formats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import storage

VERSION = 2

SCHEMA = pa.schema(
    [
        ("key", pa.string()),  # unique in the split
        (
            "source",
            pa.dictionary(pa.int32(), pa.string()),
        ),  # file that holds the bytes, in RAW or the tree
        ("offset", pa.int64()),  # bytes from the start of that file
        ("length", pa.int64()),  # bytes
        ("class_index", pa.int32()),  # 0-based in the label table; -1: none
        ("synset", pa.dictionary(pa.int32(), pa.string())),  # WNID; empty: none
        ("text", pa.dictionary(pa.int32(), pa.string())),  # the class in words
        # xmin, ymin, xmax, ymax of each object one after another, as fractions of the picture
        ("boxes", pa.list_(pa.float32())),
    ]
)
"""Columns of a catalog and of a plan. Rows of a catalog are sorted by key, bytewise."""


def write(staged: storage.StagedFile, table: pa.Table) -> None:
    """Write a catalog as Parquet; equal tables give equal bytes."""
    with staged.stream() as stream:
        pq.write_table(table.cast(SCHEMA), stream, compression="zstd", row_group_size=1 << 16)


def tree_paths(rows: pa.Table) -> pa.ChunkedArray:
    """Return where each image lies in a tree of class folders: ``<wnid>/<name>``."""
    names = pc.replace_substring_regex(rows["key"], r"^.*/", "")
    synsets = rows["synset"].cast(pa.string())
    foldered = pc.binary_join_element_wise(synsets, names, "/")
    return pc.if_else(pc.equal(synsets, ""), names, foldered)


def read_classes(path: Path, wnids: Sequence[str]) -> pa.Table:
    """Read the rows of some classes."""
    with storage.open_arrow(path) as file:
        wanted = pc.field("synset").isin(list(wnids))
        return pq.read_table(file, schema=SCHEMA, use_threads=False, filters=wanted)


def read(path: Path) -> pa.Table:
    """Read a whole catalog."""
    with storage.open_arrow(path) as file:
        return pq.read_table(file, schema=SCHEMA, use_threads=False)
