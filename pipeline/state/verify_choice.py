"""Whether a command verifies archives before anything is made of them, or beside the shards."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pipeline import storage
from pipeline.job.artifacts import ARCHIVE, name_of
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob
from pipeline.state.inventory import Inventory
from pipeline.storage import DiskKind

_SLOW_AT_RANDOM: Final = frozenset({DiskKind.ROTATIONAL, DiskKind.NETWORK})
"""Where shards and headers, read at random, would stand in the way of the MD5."""


def choose(inventory: Inventory, *, workers: int, alone: bool) -> Job:
    """Return a job with what was decided of `Job.verify`: ``before`` or ``beside``.

    Beside the shards an archive is verified where that is asked for, or ``auto`` finds it quicker,
    and where it can be: one worker computes the MD5, so there must be another one; archives and
    output lie on this machine, and shards are written by this command alone.

    Args:
        inventory: what there is of the job.
        workers: how many tasks it does at a time.
        alone: whether no other host takes part, by whatever means.
    """
    resolved = inventory.resolved
    asked = resolved.job.verify
    beside = asked != "before" and alone and workers > 1 and _can_be_beside(inventory)
    if asked == "auto":
        beside = beside and not _is_slow_at_random(resolved)
    return replace(resolved.job, verify="beside" if beside else "before")


def _can_be_beside(inventory: Inventory) -> bool:
    """Whether shards are to be written of an archive that lies here and is not verified yet."""
    resolved = inventory.resolved
    if not resolved.job.wants("shards"):
        return False
    if not replace(resolved, job=replace(resolved.job, verify="beside")).verifies_beside:
        return False
    inputs = {archive.file for split in resolved.splits.values() for archive in split.source.inputs}
    pending = {artifact.name for artifact in inventory.pending() if artifact.kind == ARCHIVE}
    return any(name_of(ARCHIVE, variant=file) in pending for file in inputs)


def _is_slow_at_random(resolved: ResolvedJob) -> bool:
    disk = storage.disk_of(storage.on_this_machine(resolved.raw), writing=False)
    return disk.kind in _SLOW_AT_RANDOM
