"""A job as if it had asked for the splits, too, that earlier commands have finished.

A file of all splits that is made split by split, each by a command of its own, is so the file that
one command makes of all of them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import replace

from pipeline import manifest, paths, storage
from pipeline.documents.records import JobRecord
from pipeline.errors import ShardmillError
from pipeline.job import beside
from pipeline.job.artifacts import Artifact
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.state.inventory import Inventory


def extended(resolved: ResolvedJob, product: str) -> ResolvedJob:
    """Return a job with the other splits of its data set that are finished by its options.

    A split is taken in if everything that the product needs of it is whole.

    Args:
        resolved: the job.
        product: the name of a product of all splits.
    """
    for name in _begun(resolved):
        for job in _with(resolved, name):
            # What another split was made of may be gone, or may never have been collected.
            with contextlib.suppress(ShardmillError):
                other = resolve(job)
                if _is_whole(other, name, product):
                    resolved = other
                    break
    return resolved


def needs_of(resolved: ResolvedJob, product: str, splits: Collection[str]) -> list[Artifact]:
    """Return what a product needs of some splits."""
    needs = map(resolved.graph.__getitem__, resolved.graph[product].needs)
    return [need for need in needs if need.split in splits]


def left_out(resolved: ResolvedJob, whole: ResolvedJob) -> list[str]:
    """Return the splits that earlier commands have made and that a job does not take in."""
    return [name for name in _begun(resolved) if name not in whole.splits]


def _is_whole(resolved: ResolvedJob, split: str, product: str) -> bool:
    """Whether everything is there that a product needs of a split.

    Raises:
        InputRefused: a file is not there that says more of its images.
    """
    if split not in resolved.splits:
        return False  # no image is there of it any more
    details, inventory = resolved.splits[split].source.details(), Inventory(resolved)
    if details is not None:
        details.check_there()
    needs = needs_of(resolved, product, {split})
    return bool(needs) and all(inventory.whole(need.name) for need in needs)


def _begun(resolved: ResolvedJob) -> list[str]:
    """Return the splits of the data set of which another job has finished something."""
    found = {begun.split for begun, _ in beside.finished(resolved.dataset, resolved.splits)}
    return [name for name in resolved.dataset.splits if name in found]


def _with(resolved: ResolvedJob, name: str) -> Iterator[Job]:
    """Yield the job with one split more, once for each number of shards that was asked for."""
    job, every = resolved.job, {*resolved.splits, name}
    splits = tuple(each for each in resolved.dataset.splits if each in every)
    shards = tuple(pair for pair in job.shards if pair[0] != name)
    for count in _shard_counts(job, name):
        pairs = () if count is None else ((name, count),)
        yield replace(job, splits=splits, shards=(*shards, *pairs))


def _shard_counts(job: Job, name: str) -> dict[int | None, None]:
    """Return how many shards recorded jobs have asked for of a split; None: the usual number."""
    counts = {dict(job.shards).get(name): None}
    for path in storage.documents(paths.jobs(job.folder)):
        record = manifest.read_undamaged(path, JobRecord)
        if record is not None and name in (record.splits or {}):
            counts[dict(Job.from_json(record.job, path).shards).get(name)] = None
    return counts
