"""Facts: what is learned of each image while it is written, such as its size, hash and place.

Whoever comes later (exports, verification) reads these instead of 138 GB.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.formats.record import Placement
from pipeline.storage import Location
from pipeline.storage import table_bounds as tablebounds

SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("shard", pa.int32()),  # 0-based
        ("record", pa.int32()),  # 0-based in the shard
        ("offset", pa.int64()),  # of the record in the shard, bytes
        ("length", pa.int64()),  # of the record, framing included, bytes
        ("width", pa.int32()),  # pixels
        ("height", pa.int32()),  # pixels
        ("mode", pa.dictionary(pa.int32(), pa.string())),  # of the source: L, RGB, CMYK, ...
        ("bytes", pa.int64()),  # of the stored image
        ("repair", pa.dictionary(pa.int32(), pa.string())),  # null, or why it was re-encoded
        ("xxh3_128", pa.string()),  # of the stored image, hex
    ]
)


@dataclass
class FactsBuilder:
    """Collects the facts of one shard, row by row."""

    shard: int
    rows: list[tuple[object, ...]] = field(default_factory=list)

    @property
    def records(self) -> int:
        """How many records were added."""
        return len(self.rows)

    def add(
        self,
        key: str,
        placement: Placement,
        size: tuple[int, int],
        mode: str,
        image_bytes: int,
        repair: str | None,
        content_hash: str,
    ) -> None:
        """Add one record; `size` is (width, height) in pixels."""
        place = (self.shard, len(self.rows), placement.offset, placement.length)
        self.rows.append((key, *place, *size, mode, image_bytes, repair, content_hash))

    def table(self) -> pa.Table:
        """Return the facts as a table."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(SCHEMA)
        arrays = [
            pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)
        ]
        return pa.table(arrays, SCHEMA)


def renumbered(table: pa.Table, shard: int) -> pa.Table:
    """Return facts as those of a shard of another number; they have the bytes of built ones."""
    column = SCHEMA.get_field_index("shard")
    numbers = pa.array(np.full(table.num_rows, shard, np.int32))
    return table.set_column(column, SCHEMA.field(column), numbers)


def slice_bytes(table: pa.Table) -> bytes:
    """Return one shard's facts as an Arrow file: a fresh process writes it at once.

    Parquet takes it some milliseconds, which every shard would pay.
    """
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, SCHEMA) as writer:
        writer.write_table(table)
    return sink.getvalue()


def read_slice(path: Location, most: int) -> pa.Table:
    """Read one shard's facts as `slice_bytes` made them, of at most so many rows.

    Raises:
        OutputDamaged: they are not that.
    """
    with storage.open_arrow(path) as file:
        tablebounds.check_file(file, most)
        table = pa.ipc.open_file(file).read_all()
        storage.check_table(table, SCHEMA)
        return table.unify_dictionaries()


def write(stream: BinaryIO, tables: Iterable[pa.Table]) -> None:
    """Write tables as one Parquet file, a row group each; equal tables give equal bytes."""
    with pq.ParquetWriter(stream, SCHEMA, compression="zstd", write_statistics=False) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=max(1, table.num_rows))


def read(path: Location) -> pa.Table:
    """Read a whole facts file."""
    with storage.open_arrow(path) as file:
        tablebounds.check_groups(pq.ParquetFile(file), file)
        return pq.read_table(file, schema=SCHEMA, use_threads=False)


def read_keys(path: Location) -> list[pa.ChunkedArray]:
    """Read the keys of the images alone: those of each shard in record order.

    Raises:
        OutputDamaged: they are no facts.
    """
    with storage.open_arrow(path) as file:
        facts = pq.ParquetFile(file)
        tablebounds.check_groups(facts, file)
        groups = range(facts.num_row_groups)
        return [facts.read_row_group(each, ["key"], use_threads=False)["key"] for each in groups]


def read_shards(path: Location) -> Iterator[pa.Table]:
    """Yield the facts of each shard, in order, of a file that is opened once.

    Raises:
        OutputDamaged: they are no facts.
    """
    with storage.open_arrow(path) as file:
        facts = pq.ParquetFile(file)
        tablebounds.check_groups(facts, file)
        for group in range(facts.num_row_groups):
            table = facts.read_row_group(group, use_threads=False).cast(SCHEMA)
            table.validate(full=True)
            yield table


def read_shard(path: Location, shard: int, most: int) -> pa.Table:
    """Read the facts of one shard, its row group, of at most so many rows.

    Raises:
        OutputDamaged: there are more, or they are no facts.
    """
    with storage.open_arrow(path) as file:
        facts = pq.ParquetFile(file)
        tablebounds.check_group(facts, shard, min(most, tablebounds.ROWS_OF_A_BYTE * file.size()))
        return facts.read_row_group(shard, use_threads=False)
