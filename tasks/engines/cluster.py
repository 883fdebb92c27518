"""The shards of a job by an engine on other hosts: all are submitted, and what is published counts.

The engine decides which of its processes writes which shard, and when. What it returns may be lost:
a shard is there when its mark is seen here. Nothing is waited for without an end.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from pipeline import storage
from pipeline.errors import EnvironmentRefused, UsageError
from pipeline.job.resolve import ResolvedJob
from pipeline.quantities import counted
from pipeline.shards import finish, work
from pipeline.shards.work import ShardWork
from pipeline.state import progress
from tasks.engines.engine import Function
from tasks.engines.there import write_there
from tasks.engines.writing import Place
from tasks.run.processes import run_name

MOST_LOST: Final = 10
"""How often a shard is submitted again whose process was lost."""
WAIT_VARIABLE: Final = "SHARDMILL_ENGINE_WAIT"
"""For how many seconds a worker is waited for, while the engine has none."""
_WAIT_S: Final = 300.0
_SEEN_WITHIN_S: Final = 60.0  # as long as NFS may take to show a new file
_LOOK_S: Final = 2.0


class WorkerLost(Exception):
    """The process that was to write a shard has ended, or what it returned was lost."""


class Cluster(Protocol):
    """An engine on other hosts, which takes all shards at once and carries them out in turn."""

    def submit(self, function: Function, job: str, split: str, shard: int) -> Future[int]:
        """Have a function called with these arguments; see `Engine`.

        The future holds `WorkerLost` where that is worth another try.
        """

    def workers(self) -> int:
        """Return how many processes it has now.

        Raises:
            ShardmillError: its scheduler does not answer.
        """


@dataclass
class Submitted:
    """What was submitted of a job to an engine.

    Attributes:
        resolved: the job.
        cluster: the engine.
        tell: called with what a person should know at once.
        wait_s: for how long a worker is waited for.
    """

    resolved: ResolvedJob
    cluster: Cluster
    tell: Callable[[str], None]
    wait_s: float
    _begun: float = field(default_factory=time.time)
    _at_work: dict[Future[int], Place] = field(default_factory=dict)
    _ended: SimpleQueue[Future[int]] = field(default_factory=SimpleQueue)
    _unseen: dict[Place, float] = field(default_factory=dict)
    _lost: Counter[Place] = field(default_factory=Counter)
    _alone_since: float | None = None

    @cached_property
    def works(self) -> dict[str, ShardWork]:
        """The work of each split."""
        splits = self.resolved.splits.items()
        return {name: ShardWork(self.resolved, split) for name, split in splits}

    @cached_property
    def _request(self) -> str:
        # A worker outlives commands: it is to know nothing of an earlier one's inputs.
        return work.request(self.resolved, f"{run_name()} {time.time()}")

    def write(self, places: Iterable[Place]) -> None:
        """Have shards written, and wait until all are seen here.

        Raises:
            ShardmillError: one was refused or failed, or the engine carries nothing out any more.
                What is still at work then is left to the engine, which forgets it.
        """
        for place in places:
            self._submit(place)
        while self._at_work or self._unseen:
            try:
                future = self._ended.get(timeout=_LOOK_S)
            except Empty:
                self._look_at_workers()
            else:
                self._settle(future, self._at_work.pop(future))
            self._look_for_unseen()

    def _submit(self, place: Place) -> None:
        future = self.cluster.submit(write_there, self._request, *place)
        self._at_work[future] = place
        future.add_done_callback(self._ended.put)

    def _settle(self, future: Future[int], place: Place) -> None:
        """Take in how a shard ended: written, or lost with its process."""
        try:
            future.result()
        except WorkerLost as error:
            self._lost[place] += 1
            if self._lost[place] > MOST_LOST:
                raise _lost_too_often(place, str(error)) from error
            self._submit(place)
        else:
            self._unseen[place] = time.monotonic()

    def _look_for_unseen(self) -> None:
        """Note which shards are seen that the engine says to have written.

        Raises:
            EnvironmentRefused: one is not seen for long.
        """
        if not self._unseen:
            return
        storage.renew(after_s=_LOOK_S)
        for place, since in list(self._unseen.items()):
            if self._is_seen(place):
                del self._unseen[place]
            elif time.monotonic() - since > _SEEN_WITHIN_S:
                raise _unseen(place, str(self.resolved.out))

    def _is_seen(self, place: Place) -> bool:
        (split, shard), out = place, self.resolved.out
        outputs = self.works[split].split.outputs
        found = [finish.shard_document(out, output, shard) for output in outputs]
        marks = [mark for mark in found if mark is not None]
        if len(marks) < len(outputs):
            return False
        images = max(mark.records for mark in marks)
        size = sum(mark.files[0].bytes for mark in marks)
        name = f"{split} {shard}"
        timing = progress.Timing("shards", name, self._begun, time.time(), images, size)
        progress.note(out, run_name(), timing)
        return True

    def _look_at_workers(self) -> None:
        """Wait for a worker while there is none.

        Raises:
            EnvironmentRefused: there was none for long.
        """
        if self.cluster.workers() or not self._at_work:
            self._alone_since = None
            return
        now = time.monotonic()
        if self._alone_since is None:
            self._alone_since = now
            self.tell(f"the engine has no worker: waiting for one, {self.wait_s:.0f} s at most")
        elif now - self._alone_since > self.wait_s:
            raise EnvironmentRefused(
                f"the engine had no worker for {self.wait_s:.0f} seconds",
                found=f"{counted(len(self._at_work), 'shard')} submitted, and nobody to write them",
                remedy="start workers and run the same command again: it goes on;"
                f" {WAIT_VARIABLE} says for how many seconds one is waited for",
            )


def carry_out(resolved: ResolvedJob, cluster: Cluster, tell: Callable[[str], None]) -> None:
    """Have an engine write the shards that are missing.

    Args:
        resolved: the job.
        cluster: the engine.
        tell: called with what a person should know at once.

    Raises:
        ShardmillError: see `Submitted.write`.
    """
    submitted = Submitted(resolved, cluster, tell, patience())
    storage.renew()
    works = submitted.works.items()
    submitted.write([(name, shard) for name, each in works for shard in each.missing()])


def patience() -> float:
    """Return for how many seconds a worker is waited for.

    Raises:
        UsageError: the environment says no number.
    """
    given = os.environ.get(WAIT_VARIABLE, "")
    if not given:
        return _WAIT_S
    if not (given.isascii() and given.isdecimal()):
        raise UsageError(f"{WAIT_VARIABLE} is no number of seconds", found=given)
    return float(given)


def _lost_too_often(place: Place, found: str) -> EnvironmentRefused:
    return EnvironmentRefused(
        f"{place[0]} {place[1]}: a shard whose process was lost each time",
        expected=f"at most {MOST_LOST} times",
        found=found or None,
        remedy="look whether the workers were killed, for memory perhaps: their logs say so; then"
        " run the same command again: what is there stays",
    )


def _unseen(place: Place, out: str) -> EnvironmentRefused:
    return EnvironmentRefused(
        f"{place[0]} {place[1]}: a worker has written this shard, and it is not seen here",
        file=out,
        expected=f"the same folder here and where the workers run, within {_SEEN_WITHIN_S:.0f} s",
        remedy="give all of them the same file system, or an s3:// address as --out",
    )
