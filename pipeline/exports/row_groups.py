"""Tables of images as Parquet: in row groups of a bounded size, with classes that readers know."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage

ROWS: Final = 1 << 16
"""How many rows a row group has at most."""
_DISTINCT: Final = {"file_name", "id", "line", "bytes", "xxh3_128", "boxes", "image_id"}
"""Columns whose values seldom repeat: they get no dictionary."""


def class_label(column: str, names: Sequence[str]) -> dict[str, str] | None:
    """Return metadata by which `datasets` takes an int64 column for classes; None if of none."""
    if not names:
        return None
    features = {column: {"names": list(names), "_type": "ClassLabel"}}
    return {"huggingface": json.dumps({"info": {"features": features}})}


def write_groups(staged: storage.StagedFile, columns: pa.Schema, groups: Iterable[pa.Table]) -> int:
    """Write tables as Parquet, a row group each, and return the number of rows."""
    alike = [name for name in columns.names if name not in _DISTINCT]
    options = {"compression": "zstd", "use_dictionary": alike}
    rows = 0
    with staged.stream() as stream, pq.ParquetWriter(stream, columns, **options) as writer:
        for group in groups:
            ordered = group.select(columns.names).cast(columns)
            writer.write_table(ordered, row_group_size=max(1, group.num_rows))
            rows += group.num_rows
    return rows


def grouped(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the rows of many tables in tables of `ROWS`; the last has what is left."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        while sum(part.num_rows for part in held) >= ROWS:
            whole = pa.concat_tables(held)
            yield whole.slice(0, ROWS)
            held = [whole.slice(ROWS)]
    if any(part.num_rows for part in held):
        yield pa.concat_tables(held)
