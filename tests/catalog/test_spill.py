"""Buckets: rows in any order come back bucket by bucket, from files that do not stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline.catalog.spill import Buckets

SCHEMA = pa.schema([("key", pa.string()), ("word", pa.dictionary(pa.int32(), pa.string()))])


def rows(*keys: str) -> pa.Table:
    return pa.Table.from_pylist([{"key": key, "word": key[0]} for key in keys], SCHEMA)


def test_the_rows_of_a_bucket_keep_their_order(tmp_path: Path) -> None:
    with Buckets(tmp_path / "rows", SCHEMA, 3) as buckets:
        buckets.add(rows("b1", "a1", "b2", "a2"), np.array([2, 0, 2, 0]))
        buckets.add(rows("a3"), np.array([0]))
        found = [buckets.read(number).to_pylist() for number in range(3)]
    assert found == [rows("a1", "a2", "a3").to_pylist(), [], rows("b1", "b2").to_pylist()]


def test_nothing_stays_on_the_disk(tmp_path: Path) -> None:
    with Buckets(tmp_path / "rows", SCHEMA, 2) as buckets:
        buckets.add(rows("a", "b"), np.array([0, 1]))
        assert len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == []
