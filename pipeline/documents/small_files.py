"""The listing of the many small files that are one product: each with its size and hash.

It lies beside the product's mark, which names it: a mark that named a million files itself would
have to be held by whoever reads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import paths, storage
from pipeline.storage import Location, Where, with_suffix
from pipeline.storage import table_bounds as tablebounds

SCHEMA: Final = pa.schema(
    [
        ("file", pa.string()),  # relative to the output folder
        ("bytes", pa.int64()),
        ("xxh3_128", pa.string()),  # of the content, hex
    ]
)
"""Columns of a listing, in the order of writing."""


class SmallFile(NamedTuple):
    """A row of a listing; see `SCHEMA`."""

    file: str
    bytes: int
    xxh3_128: str


_ROWS: Final = 1 << 16
# By RE2, which has no lookahead: a part that is empty or leads elsewhere.
_LEADING_AWAY: Final = r"^/|//|/$|^$|(^|/)\.{1,2}(/|$)"


def listing(out: Where, product: str) -> Where:
    """Return where the listing of a product lies, by the name of the product."""
    return with_suffix(paths.product_mark(out, product), ".parquet")


def write(staged: storage.StagedFile, files: Iterable[SmallFile]) -> int:
    """Write a listing in row groups of a bounded size; return how many files it has."""
    count, held = 0, list[SmallFile]()
    with staged.stream() as stream, pq.ParquetWriter(stream, SCHEMA, compression="zstd") as writer:
        for file in files:
            held.append(file)
            count += 1
            if len(held) == _ROWS:
                writer.write_table(_table(held))
                held = []
        if held:
            writer.write_table(_table(held))
    return count


def read(path: Location) -> Iterator[pa.Table]:
    """Yield the rows of a listing in parts.

    Raises:
        OutputDamaged: it is not as it was written.
    """
    with storage.open_arrow(path) as file:
        table = pq.ParquetFile(file)
        tablebounds.check_groups(table, file)
        for group in range(table.num_row_groups):
            rows = table.read_row_group(group, use_threads=False)
            storage.check_table(rows, SCHEMA)
            if pc.any(pc.match_substring_regex(rows["file"], _LEADING_AWAY), min_count=0).as_py():
                raise pa.ArrowInvalid("a file that does not lie in the output folder")
            yield rows


def are_there(out: Location, path: Location) -> bool:
    """Whether every file of a listing is there at its size.

    Raises:
        OutputDamaged: the listing is not as it was written.
    """
    return all(
        storage.file_sizes(out, rows["file"].to_pylist()) == rows["bytes"].to_pylist()
        for rows in read(path)
    )


def _table(files: list[SmallFile]) -> pa.Table:
    columns = zip(*files, strict=True)
    arrays = [pa.array(column, each.type) for column, each in zip(columns, SCHEMA, strict=True)]
    return pa.table(arrays, schema=SCHEMA)
