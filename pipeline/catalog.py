"""The catalog: one row per image of a split, the one table between sources and formats."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage

VERSION = 1

SCHEMA = pa.schema(
    [
        ("key", pa.string()),  # unique in the split
        ("source", pa.dictionary(pa.int32(), pa.string())),  # file that holds the bytes, in RAW
        ("offset", pa.int64()),  # bytes from the start of that file
        ("length", pa.int64()),  # bytes
        ("class_index", pa.int32()),  # 0-based in the label table; -1: none
        ("synset", pa.dictionary(pa.int32(), pa.string())),  # WNID
        ("text", pa.dictionary(pa.int32(), pa.string())),  # the class in words
    ]
)
"""Columns of a catalog and of a plan. Rows of a catalog are sorted by key, bytewise."""


def write(staged: storage.StagedFile, table: pa.Table) -> None:
    """Write a catalog as Parquet; equal tables give equal bytes."""
    with staged.stream() as stream:
        pq.write_table(table.cast(SCHEMA), stream, compression="zstd", row_group_size=1 << 16)


def read(path: Path) -> pa.Table:
    """Read a whole catalog."""
    with storage.open_arrow(path) as file:
        return pq.read_table(file, schema=SCHEMA, use_threads=False)
