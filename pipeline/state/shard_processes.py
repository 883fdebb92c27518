"""How many processes may encode the images of one shard, so that no worker is idle or too many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.job.artifacts import SHARDS, Artifact
from pipeline.job.graph import Graph
from pipeline.job.resolve import ResolvedJob
from pipeline.state import inventory


@dataclass(frozen=True)
class SplitWork:
    """The tasks of a split that are still to be done.

    They are done in three stages: never are tasks of two of them at work at the same time.

    Attributes:
        before: those that its shards need.
        shards: those that write its shards.
        after: those that need its shards, but for what only leads to another: no more than these
            are at work at the same time.
    """

    before: int
    shards: int
    after: int

    def at_once(self, processes: int) -> int:
        """Return how many processes may be at work if each task of shards has so many."""
        return max(self.before, self.shards * processes, self.after)


def processes_of_a_shard(workers: int, splits: Sequence[SplitWork], others: int) -> int:
    """Return how many processes a task that encodes the images of shards may have, 1 at least.

    All tasks that may be at work together then have at most as many processes as there are
    workers, or one each. That stays true when tasks end: a task that begins later has more.

    Args:
        workers: how many processes a command may have at work.
        splits: each split with shards that are still to be made, one at least.
        others: how many other tasks are still to be done, which may be at work at any time.
    """

    def fits(processes: int) -> bool:
        """Whether there are workers enough while shards of any split are written."""
        every = sum(split.at_once(processes) for split in splits) + others
        spared = (split.at_once(processes) - split.shards * processes for split in splits)
        return every - min(spared, default=0) <= workers

    return next((each for each in range(workers, 1, -1) if fits(each)), 1)


def work_left(
    graph: Graph, pending: Iterable[Artifact], tasks: Callable[[Artifact], int]
) -> tuple[list[SplitWork], int]:
    """Return what is still to be done of each split with pending shards, and other tasks.

    Args:
        graph: the artifacts of the job.
        pending: those of them that are still to be made.
        tasks: says how many tasks make one.
    """
    unfinished = {artifact.name: artifact for artifact in pending}
    needs = {name: _needed(graph, name) for name in unfinished}
    followed = {need for artifact in unfinished.values() for need in artifact.needs}
    free, splits = dict(unfinished), list[SplitWork]()
    for name, artifact in unfinished.items():
        if artifact.kind == SHARDS:
            before = [unfinished[each] for each in needs[name] if each in unfinished]
            after = [each for each in unfinished.values() if name in needs[each.name]]
            last = [each for each in after if each.name not in followed]
            counts = (sum(map(tasks, each)) for each in (before, [artifact], last))
            splits.append(SplitWork(*counts))
            for each in (*before, artifact, *after):
                free.pop(each.name, None)
    return splits, sum(map(tasks, free.values()))


def shard_groups_left(resolved: ResolvedJob, artifact: Artifact) -> Iterator[tuple[int, int]]:
    """Yield the groups of a split's shards, see `SplitJob.shard_groups`, that are still to be made.

    The last one comes first: groups are made in order, so that the first few are found at once.
    """
    for first, stop in reversed(resolved.splits[artifact.split].shard_groups()):
        if inventory.shards(resolved, artifact, range(first, stop)) is None:
            yield first, stop


def _needed(graph: Graph, name: str) -> set[str]:
    """Return the names of everything that an artifact needs, and that this needs, and so on."""
    needed = set[str]()
    ahead = list(graph[name].needs)
    while ahead:
        each = ahead.pop()
        if each not in needed:
            needed.add(each)
            ahead += graph[each].needs
    return needed
