"""Part I of N of the shards of a job: its own ones, then what is missing of others.

Nobody hands the shards out. A part knows its own by their numbers, and what others have written by
what is published; claims only keep two from the same shard for as long as both are at work.
"""

from __future__ import annotations

from collections.abc import Callable

from pipeline import paths, storage
from pipeline.job.resolve import ResolvedJob
from pipeline.shards import finish, two_hosts
from pipeline.shards.part import Part
from pipeline.shards.work import ShardWork
from tasks.engines.engine import Engine
from tasks.engines.writing import Writing


def carry_out(
    resolved: ResolvedJob, part: Part, engine: Engine, tell: Callable[[str], None]
) -> None:
    """Write the shards of a part, then those that are missing and that nobody claims.

    Whoever finds that no shard of a split is missing publishes its manifests.

    Args:
        resolved: the job.
        part: which part.
        engine: what writes the shards.
        tell: called with what a person should know at once.

    Raises:
        ShardmillError: a shard of its own cannot be written; of others that is only told.
    """
    writing = Writing(resolved, engine)
    own = [(name, n) for name, split in resolved.splits.items() for n in part.own(split.shards)]
    own.sort(key=lambda place: not writing.is_free(place))  # somebody may be about to finish it
    writing.write(writing.missing(own))
    for error in writing.failures.values():
        raise error
    _take_over(resolved, writing)
    for (split, shard), error in writing.failures.items():
        tell(f"{split} {shard}, a shard of another part, cannot be written: {error.brief}")
    for each in writing.works.values():
        _publish(each)


def missing(resolved: ResolvedJob, part: Part | None = None) -> int:
    """Return how many shards of a part, or of all, are missing."""
    return sum(
        len(ShardWork(resolved, split).missing(part.own(split.shards) if part else None))
        for split in resolved.splits.values()
    )


def _take_over(resolved: ResolvedJob, writing: Writing) -> None:
    """Write what is missing and what nobody claims, from the end, until nothing is."""
    every = [(name, n) for name, split in resolved.splits.items() for n in range(split.shards)]
    while True:
        storage.renew()
        unmarked = (
            (name, n) for name, n in reversed(every) if not writing.works[name].is_marked(n)
        )
        lacking = writing.missing(unmarked)
        if not writing.write(place for place in lacking if writing.is_free(place)):
            return


def _publish(work: ShardWork) -> None:
    """Publish the manifests of a split, and that they are current, if no shard is missing.

    Others may do the same at the same time: they write the same bytes.
    """
    storage.renew()
    numbers = range(work.split.shards)
    if not all(map(work.is_marked, numbers)) or work.missing(numbers):
        return
    for output in work.split.outputs:
        link = paths.current(work.resolved.out, output.format, work.split.name)
        if finish.document(output) is None:
            finish.finish(work.resolved, work.split, output)
            two_hosts.check_manifest(work.resolved.out, work.split, output)
        if storage.pointed(link) != output.digest:
            storage.point(link, output.digest)
