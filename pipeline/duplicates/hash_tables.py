"""Reads the perceptual hashes of outputs, shard by shard."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import manifest
from pipeline.documents.duplicates import HashesMark
from pipeline.duplicates import hash_groups, hashing
from pipeline.duplicates.hash_groups import HashGroup
from pipeline.finished import arrow_tables
from pipeline.finished.outputs import CountingOutput
from pipeline.storage import Location


class HashTables:
    """The hashes of all splits; the table of one group of shards is held at a time.

    Args:
        out: the output folder.
        splits: the output of each split, whose hashes are there.
    """

    def __init__(self, out: Location, splits: Mapping[str, CountingOutput]) -> None:
        self._out = out
        self._groups = {
            name: hash_groups.hash_groups(output.document) for name, output in splits.items()
        }
        self._group: HashGroup | None = None
        self._table = hashing.HASHES.empty_table()

    @property
    def damaged(self) -> int:
        """How many images are not as they were written."""
        return sum(mark.damaged for mark in self._marks)

    def of_shard(self, split: str, shard: int) -> Mapping[str, NDArray[Any]]:
        """Return `number` (uint64), `hashed` (bool) and `why` of the images of a shard.

        Raises:
            OutputDamaged: they are not as they were written.
        """
        groups, number = self._groups[split], shard // hash_groups.GROUP
        table = self._of(groups[number]) if number < len(groups) else hashing.HASHES.empty_table()
        rows = table.filter(pc.equal(table["shard"], shard))
        return {
            "number": pc.fill_null(rows["hash"], pa.scalar(0, pa.uint64())).to_numpy(),
            "hashed": rows["hash"].is_valid().to_numpy(),
            "why": np.array(rows["why"].to_pylist(), np.object_),
        }

    def _of(self, group: HashGroup) -> pa.Table:
        if self._group != group:
            place = hash_groups.table(self._out, group.split, group.digest)
            self._table = arrow_tables.read(place, hashing.HASHES)
            self._group = group
        return self._table

    @cached_property
    def _marks(self) -> list[HashesMark]:
        return [
            manifest.read(hash_groups.mark(self._out, each.split, each.digest), HashesMark)
            for groups in self._groups.values()
            for each in groups
        ]
