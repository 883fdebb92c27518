"""Has shards written by an engine, as many at a time as it takes, each claimed meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import cached_property

from pipeline.errors import ShardmillError, TransientError
from pipeline.job.resolve import ResolvedJob
from pipeline.shards import work
from pipeline.shards.work import ShardWork
from pipeline.state.shard_claims import RENEW_S, ShardClaims
from tasks.engines.engine import Engine, write

Place = tuple[str, int]
"""A split and the number of one of its shards."""


@dataclass
class Writing:
    """What one process has written of the shards of a job.

    Attributes:
        resolved: the job.
        engine: what writes the shards.
        failures: why shards could not be written.
    """

    resolved: ResolvedJob
    engine: Engine
    failures: dict[Place, ShardmillError] = field(default_factory=dict)
    _at_work: dict[Future[int], Place] = field(default_factory=dict)
    _is_broken: bool = False  # the engine carries nothing out any more

    @cached_property
    def works(self) -> dict[str, ShardWork]:
        """The work of each split."""
        splits = self.resolved.splits.items()
        return {name: ShardWork(self.resolved, split) for name, split in splits}

    @cached_property
    def claims(self) -> dict[str, ShardClaims]:
        """The claims on the shards of each split."""
        splits, out = self.resolved.splits.items(), self.resolved.out
        return {name: ShardClaims(out, split.shards_digest) for name, split in splits}

    def is_free(self, place: Place) -> bool:
        """Whether nobody else who is alive says that he writes a shard."""
        split, shard = place
        return self.claims[split].is_free(shard)

    def missing(self, places: Iterable[Place]) -> Iterator[Place]:
        """Yield which shards are missing when it is their turn, until one cannot be written.

        None is after a process of the engine has died, with which the others have ended.
        """
        for split, shard in places:
            if self._is_broken or any(each.permanent for each in self.failures.values()):
                return
            if (split, shard) not in self.failures and not self.works[split].is_there(shard):
                yield split, shard

    def write(self, places: Iterable[Place]) -> int:
        """Write shards; return how many were begun. Those that fail are in `failures` then."""
        begun = 0
        for split, shard in places:
            self.claims[split].take(shard)
            future = self.engine.submit(write, self._request, split, shard)
            self._at_work[future] = split, shard
            begun += 1
            while len(self._at_work) >= self.engine.slots:
                self._settle()
        while self._at_work:
            self._settle()
        return begun

    @cached_property
    def _request(self) -> str:
        text = work.request(self.resolved)
        work.works(text)  # what it means is known to the processes that are forked
        return text

    def _settle(self) -> None:
        """Wait until a shard is written or has failed; claims are renewed meanwhile."""
        done, _ = wait(self._at_work, RENEW_S, FIRST_COMPLETED)
        for claims in self.claims.values():
            claims.renew()
        for future in done:
            split, shard = place = self._at_work.pop(future)
            self.claims[split].drop(shard)
            try:
                future.result()
            except ShardmillError as error:
                self.failures[place] = error
            except BrokenProcessPool as error:
                self._is_broken = True
                what = "a process that was writing shards has ended: was it killed, for memory?"
                self.failures[place] = TransientError(what, found=str(error))
