"""The plan: the catalog in shard order, in an Arrow file with one record batch per shard.

A worker maps the file and touches only the pages of its own batch; the file's footer is 24
bytes a shard, where a Parquet footer of 1,024 row groups takes 92 MB to open.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import xxhash

from pipeline import sharding, storage
from pipeline.catalog import SCHEMA
from pipeline.errors import OutputDamaged


def arrange(catalog: pa.Table, order: str, seed: int) -> pa.Table:
    """Return the rows of a catalog in the wanted order."""
    keys = catalog.column("key").to_pylist()
    groups = catalog.column("synset").to_pylist() if order == "inception" else None
    places = sharding.permutation(keys, order, seed, groups)
    return catalog.combine_chunks().take(pa.array(places)).combine_chunks()


def write(staged: storage.StagedFile, rows: pa.Table, places: Sequence[int]) -> list[str]:
    """Write a plan; equal tables give equal bytes.

    Args:
        staged: the file.
        rows: every image, in order.
        places: shard i holds the rows [places[i], places[i + 1]).

    Returns:
        A hash of each shard's rows, so that a worker can check its own without the rest.
    """
    (whole,) = rows.combine_chunks().to_batches()
    with staged.stream() as stream, pa.ipc.new_file(stream, SCHEMA) as writer:
        for start, stop in pairwise(places):
            writer.write_batch(whole.slice(start, stop - start))
    return [_hash(whole.slice(start, stop - start)) for start, stop in pairwise(places)]


def read_shard(path: Path, shard: int, expected: str | None = None) -> pa.RecordBatch:
    """Return the rows of one shard, in record order.

    Args:
        path: the plan.
        shard: 0-based number.
        expected: the hash that `write` returned for it; None: not checked.

    Raises:
        OutputDamaged: the rows are not those that were written.
    """
    with storage.open_arrow(path) as file:
        rows = pa.ipc.open_file(file).get_batch(shard)
        found = _hash(rows) if expected is not None else None
    if found != expected:
        raise OutputDamaged(
            "the plan is not as it was written",
            file=str(path),
            place=f"shard {shard}",
            expected=expected,
            found=found,
            remedy="remove the file and run the same command again: it is made anew",
        )
    return rows


def _hash(rows: pa.RecordBatch) -> str:
    """Return the xxh3-128 of rows, whatever else their dictionaries hold."""
    hasher = xxhash.xxh3_128()
    for column in rows.columns:
        plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        hasher.update(pa.RecordBatch.from_arrays([plain], ["values"]).serialize())
    return hasher.hexdigest()
