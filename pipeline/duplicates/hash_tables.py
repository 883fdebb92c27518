"""Reads the perceptual hashes of a report, shard by shard."""

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
from pipeline.duplicates import hashing
from pipeline.report import places, tables
from pipeline.report.survey import Survey


class HashTables:
    """The hashes of all splits; the table of one group of shards is held at a time.

    Args:
        survey: of the output, whose hashes are there.
    """

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        self._place = ("", -1)
        self._table = hashing.HASHES.empty_table()

    @cached_property
    def damaged(self) -> int:
        """How many images are not as they were written."""
        out, digest = self._survey.out, self._survey.digest
        return sum(
            manifest.read(places.hashes_mark(out, digest, name, group), HashesMark).damaged
            for name, output in self._survey.splits.items()
            for group in range(hashing.groups(output))
        )

    def of_shard(self, split: str, shard: int) -> Mapping[str, NDArray[Any]]:
        """Return `number` (uint64), `hashed` (bool) and `why` of the images of a shard.

        Raises:
            OutputDamaged: they are not as they were written.
        """
        table = self._group(split, shard // hashing.GROUP)
        rows = table.filter(pc.equal(table["shard"], shard))
        return {
            "number": pc.fill_null(rows["hash"], pa.scalar(0, pa.uint64())).to_numpy(),
            "hashed": rows["hash"].is_valid().to_numpy(),
            "why": np.array(rows["why"].to_pylist(), np.object_),
        }

    def _group(self, split: str, group: int) -> pa.Table:
        if self._place != (split, group):
            has_hashes = group < hashing.groups(self._survey.splits[split])
            path = places.hashes(self._survey.out, self._survey.digest, split, group)
            known = tables.read(path, hashing.HASHES) if has_hashes else None
            self._table = known if known is not None else hashing.HASHES.empty_table()
            self._place = (split, group)
        return self._table
