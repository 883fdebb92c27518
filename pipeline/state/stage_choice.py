"""Whether the archives of a job are copied to this host before they are read, and why.

It is decided once, when a command starts, and what was decided is part of the job that it runs: no
byte of an output follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pipeline import digests, storage
from pipeline.errors import NoRanges, UsageError
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.quantities import size
from pipeline.sources.inputs import Archive
from pipeline.state import preflight, staging
from pipeline.state import raw_archives as rawarchives
from pipeline.state.inventory import Inventory
from pipeline.storage import scratch
from pipeline.storage.local.listing import free_bytes
from pipeline.storage.location import is_address
from pipeline.storage.remote_options import NOT_STAGED

_RESERVE: Final = 0.1
"""The share of the copies that is to stay free beside them, where nobody has asked for them."""


@dataclass(frozen=True)
class Circumstances:
    """What decides whether archives are copied, where nobody has said so.

    Attributes:
        folder: where the copies would be; "": there is no such place.
        to_copy: bytes that are still to be copied.
        free: bytes that may be written there.
        beside: bytes of the output that would be written to the same file system.
        in_memory: whether that file system is memory.
        alone: whether one host works on the output.
        indexed: whether all archives were verified where they lie, and would have to be read once
            more for nothing but the copies.
    """

    folder: str
    to_copy: int = 0
    free: int = 0
    beside: int = 0
    in_memory: bool = False
    alone: bool = True
    indexed: bool = False


def why_not(seen: Circumstances) -> str:
    """Return why archives are read where they lie; "": they are copied."""
    if not seen.folder:
        return "there is no folder for copies"
    if not seen.alone:
        return "other hosts may work on them, too"
    if seen.indexed:
        return "they were verified there"
    if seen.in_memory:
        return f"{seen.folder} lies in memory"
    wanted = int(seen.to_copy * (1 + _RESERVE)) + seen.beside
    if seen.to_copy and wanted > seen.free:
        return f"copies need {size(wanted)} in {seen.folder}, where {size(seen.free)} are free"
    return ""


@dataclass(frozen=True)
class Choice:
    """How the archives of a job are read.

    Attributes:
        job: the job, which says so.
        line: the same, for people; "": there is nothing to say, for nothing is read.
    """

    job: Job
    line: str


def choose(inventory: Inventory, *, alone: bool) -> Choice:
    """Return how the archives of a job are read.

    Args:
        inventory: of the job, as it was asked for.
        alone: whether one host works on the output.

    Raises:
        ShardmillError: an archive cannot be looked at.
    """
    resolved = inventory.resolved
    job = resolved.job
    if not is_address(job.raw):
        return Choice(job, "")
    folder = job.remote.stage or _default_folder(resolved) or NOT_STAGED
    staged = resolve(_with(job, folder))
    needed = preflight.archives_to_read(Inventory(staged))
    if not needed:
        return Choice(job, "")
    if job.remote.stage == NOT_STAGED:
        return Choice(job, _read_there(job, "--stage none"))
    if job.remote.stage:
        return Choice(job, _copied(resolved, needed))
    reason = why_not(_seen(inventory, staged, needed, alone=alone))
    if reason:
        chosen = _with(job, NOT_STAGED)
        return Choice(chosen, _read_there(chosen, f"{reason}; --stage DIR copies them"))
    return Choice(staged.job, f"{_copied(staged, needed)}; --stage none reads them there")


def _seen(
    inventory: Inventory,
    staged: ResolvedJob,
    needed: Sequence[Archive],
    *,
    alone: bool,
) -> Circumstances:
    folder = staged.job.remote.stage_folder
    if not folder or not alone:
        return Circumstances(folder, alone=alone)
    place, resolved = Path(folder), inventory.resolved
    there = [each for each in needed if not rawarchives.is_to_be_staged(staged, each)]
    indexed = not there and _is_indexed(resolved, needed)
    shared = storage.on_one_file_system(place, resolved.out)
    return Circumstances(
        folder,
        staging.bytes_to_stage(staged, needed),
        free_bytes(place),
        preflight.needed_bytes(staged) if shared else 0,
        storage.is_in_memory(place),
        alone,
        indexed,
    )


def _is_indexed(resolved: ResolvedJob, needed: Sequence[Archive]) -> bool:
    """Whether all archives were verified where they lie."""
    try:
        return all(rawarchives.verified(resolved, each) for each in needed)
    except NoRanges:
        return False


def _default_folder(resolved: ResolvedJob) -> str:
    """Return where archives of a data set are copied to; "": this user has no such folder.

    Sets whose archives have the same names and other content have other folders.
    """
    dataset = resolved.dataset
    pins = {
        each.file: each.md5 for each in (*dataset.archives.values(), *dataset.optional.values())
    }
    try:
        place = scratch.place()
    except UsageError:
        return ""
    return str(place / "stage" / f"{dataset.name}-{digests.digest(pins)}")


def _with(job: Job, stage: str) -> Job:
    chosen = not job.remote.stage
    return replace(job, remote=replace(job.remote, stage=stage, chosen=chosen))


def _copied(resolved: ResolvedJob, needed: Sequence[Archive]) -> str:
    """Say where archives are copied to, and how much is to come."""
    folder, ahead = resolved.job.remote.stage_folder, staging.bytes_to_stage(resolved, needed)
    what = f"{size(ahead)} to copy" if ahead else "all of them are there"
    return f"archives of {resolved.job.raw} are read from copies in {folder}: {what}"


def _read_there(job: Job, reason: str) -> str:
    return f"archives are read by ranges from {job.raw}: {reason}"
