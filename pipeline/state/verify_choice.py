"""Whether a command verifies archives before anything is made of them, or beside the shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pipeline import storage
from pipeline.job.artifacts import ARCHIVE, name_of
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob
from pipeline.sources.inputs import Archive
from pipeline.state.inventory import Inventory
from pipeline.storage import DiskKind

_SLOW_AT_RANDOM: Final = frozenset({DiskKind.ROTATIONAL, DiskKind.NETWORK})
"""Where shards and headers, read at random, would stand in the way of the MD5."""
_QUICKLY_VERIFIED: Final = 256 << 20
"""Bytes of all archives. Fewer are verified in a second, and a wrong one is refused before any work
was done for it."""


@dataclass(frozen=True)
class VerifyChoice:
    """When the archives of a job are verified.

    Attributes:
        job: the job, which says so: `Job.verify` is no more ``auto`` where it is ``beside``.
        reason: why they are verified first though ``beside`` was asked for, in words; "": they are
            not, or nobody has asked for it.
    """

    job: Job
    reason: str = ""


def choose(inventory: Inventory, *, workers: int, alone: bool) -> VerifyChoice:
    """Return when the archives of a job are verified.

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
    if asked == "before":
        return VerifyChoice(resolved.job)
    pending = _pending(inventory)
    reason = _why_not(resolved, pending, workers=workers, alone=alone)
    if asked == "auto":
        if reason or _is_quicker_first(resolved, pending):
            return VerifyChoice(resolved.job)  # which counts as `before`
    elif reason:
        return VerifyChoice(replace(resolved.job, verify="before"), reason)
    return VerifyChoice(replace(resolved.job, verify="beside"))


def _pending(inventory: Inventory) -> list[Archive]:
    """Return the archives of images that are not verified yet."""
    splits = inventory.resolved.splits.values()
    inputs = {archive.file: archive for split in splits for archive in split.source.inputs}
    names = {artifact.name for artifact in inventory.pending() if artifact.kind == ARCHIVE}
    return [each for file, each in inputs.items() if name_of(ARCHIVE, variant=file) in names]


def _why_not(
    resolved: ResolvedJob, pending: Sequence[Archive], *, workers: int, alone: bool
) -> str:
    """Return why archives cannot be verified beside the shards; "": they can be."""
    local = isinstance(resolved.out, Path) and isinstance(resolved.raw, Path)
    reasons = {
        "no shards are asked for": not resolved.job.wants("shards"),
        "archives are read in their own order": resolved.job.read_order == "archive",
        "no archive of images is left to be verified": not pending,
        "other hosts may take part": not alone,
        "one worker cannot do both": workers <= 1,
        "an archive is packed, and verified while it is unpacked": any(
            archive.packed for archive in pending
        ),
        "archives are copied first, and verified on the way": resolved.is_staged,
        "the archives, or the output, do not lie on this machine": not local,
    }
    return next((reason for reason, is_so in reasons.items() if is_so), "")


def _is_quicker_first(resolved: ResolvedJob, pending: Sequence[Archive]) -> bool:
    infos = (storage.stat(resolved.raw_file(archive)) for archive in pending)
    if sum(info.size for info in infos if info) < _QUICKLY_VERIFIED:
        return True
    disk = storage.disk_of(storage.on_this_machine(resolved.raw), writing=False)
    return disk.kind in _SLOW_AT_RANDOM
