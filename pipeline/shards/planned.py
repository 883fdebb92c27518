"""The plan of a split as those read it who write its shards: a damaged one is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from pipeline import manifest, paths, storage
from pipeline.catalog import plan
from pipeline.documents.tables import PlanMark
from pipeline.errors import OutputDamaged, TransientError
from pipeline.job.split import SplitJob
from pipeline.storage import Location


@dataclass(frozen=True)
class ShardPlan:
    """The plan of a split.

    Attributes:
        out: the output folder.
        split: the split.
    """

    out: Location
    split: SplitJob

    @cached_property
    def mark(self) -> PlanMark:
        """What the plan is; read once for all shards.

        Raises:
            TransientError: it is damaged; it is forgotten, and made anew.
        """
        with self._making_anew():
            mark = manifest.read(self._mark_path, PlanMark)
            if len(mark.shards) != self.split.shards:
                what = "the plan is of another number of shards"
                raise OutputDamaged(what, file=str(self._mark_path))
        return mark

    def rows(self, shard: int) -> pa.RecordBatch:
        """Return the rows of a shard, by its 0-based number.

        Raises:
            TransientError: see `mark`.
        """
        planned = paths.plan(self.out, self.split.name, self.split.plan_digest)
        expected = self.mark.shards[shard]
        with self._making_anew():
            return plan.read_shard(planned, shard, expected)

    def every(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows of each shard, in order.

        Raises:
            TransientError: see `mark`.
        """
        planned = paths.plan(self.out, self.split.name, self.split.plan_digest)
        expected = self.mark.shards
        with self._making_anew():
            yield from plan.read(planned, expected)

    @property
    def _mark_path(self) -> Location:
        return paths.plan_mark(self.out, self.split.name, self.split.plan_digest)

    @contextmanager
    def _making_anew(self) -> Iterator[None]:
        """Forget the plan if it is found damaged in this context."""
        try:
            yield
        except OutputDamaged as error:
            storage.remove(self.out, self._mark_path)
            raise TransientError(f"{error.what}; it is made anew", file=error.file) from error
