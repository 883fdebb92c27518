"""Whether the images of archives are read in the order of these, or as shards need them, and why.

It is decided once, when a command starts, and what was decided is part of the job that it runs: no
byte of an output follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from pipeline import storage
from pipeline.environment.memory import memory_bytes
from pipeline.errors import UsageError
from pipeline.job.artifacts import SHARDS
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.job.split import SplitJob
from pipeline.quantities import size
from pipeline.segments import of_split
from pipeline.shards.work import ShardWork
from pipeline.state import preflight, sorted_segments
from pipeline.state.inventory import Inventory
from pipeline.storage import DiskKind

_CACHED: Final = 0.5
"""The share of the memory that keeps an archive which was just verified, beside what is written."""
_HELD: Final = 0.25
"""The share of the memory that a segment may take while it is sorted."""
_MOST_SEGMENTS: Final = 10_000
"""Into which the archives of a split are cut: each is a task, and has a mark and a file."""
_LEAST_MISSING: Final = 0.25
"""The share of the shards that must be missing: archives are sorted as a whole."""


@dataclass(frozen=True)
class Choice:
    """How the images of archives are read.

    Attributes:
        job: the job, which says so.
        line: the same, for people; "": there is nothing to say.
    """

    job: Job
    line: str = ""


def choose(inventory: Inventory, *, alone: bool) -> Choice:
    """Return how the images of a job's archives are read; ``auto`` in the job counts as ``shard``.

    Unless it is asked for, archives are read in their own order where shards would have the disk
    seek for each image: they lie on a rotational disk, and are larger than what memory keeps of
    them; where that pays, since not only few shards are missing; and where there is room for a
    segment in memory, and for one more copy of them in the output folder.

    Args:
        inventory: what there is of the job, of which it is decided when archives are verified.
        alone: whether no other host takes part, by whatever means.

    Raises:
        UsageError: the order of archives is asked for, and other hosts take part, or they are no
            plain tars; or archives would be cut into far too many segments.
    """
    resolved = inventory.resolved
    asked = resolved.job.read_order
    if asked == "archive" and not alone:
        raise UsageError(
            "--read-order archive is for shards that one command of one host writes",
            remedy="leave it out where parts, clusters or a luigid share the work",
        )
    if asked == "archive":
        _check_archives(resolved)
        _check_segments(resolved, resolved.splits.values())
    splits = _splits_to_sort(inventory) if alone and asked == "auto" else []
    are_begun = bool(splits) and sorted_segments.are_begun(resolved)
    if not splits or not (are_begun or _pays(resolved, splits)):
        return Choice(resolved.job)
    _check_segments(resolved, splits)
    sorting = replace(resolved.job, read_order="archive")
    sorted_job = Inventory(resolve(sorting))
    lacking = _lacking_room(resolved, splits, sorted_job.resolved)
    if lacking:
        line = f"images are read as shards need them: to sort the archives first, {lacking}"
        return Choice(resolved.job, line)
    copied = size(sorted_segments.bytes_to_sort(sorted_job))
    why = (
        "some of their segments are sorted already"
        if are_begun
        else "they lie on a rotational disk"
    )
    return Choice(
        sorting,
        f"archives are read in their own order, since {why}:"
        f" {copied} are sorted in {resolved.out} until the shards are there;"
        " --read-order shard does without",
    )


def _check_archives(resolved: ResolvedJob) -> None:
    """Check that archives whose own order is asked for can be read in it."""
    for split in resolved.splits.values():
        if of_split.can_be_sorted(resolved, split):
            continue
        others = of_split.not_plain(split)
        if split.source.inputs and not others:
            raise UsageError(
                "--read-order archive is for archives that are read where they lie",
                expected="archives and an output folder on this machine, and no copies of archives",
                found=f"archives in {resolved.raw}, an output in {resolved.out}",
                remedy="leave it out",
            )
        raise UsageError(
            f"--read-order archive is for plain tars: not all of {split.name} lies in such",
            expected="archives whose names end in .tar",
            found=", ".join(others) or "images that lie in no archive",
            remedy="leave it out",
        )


def _check_segments(resolved: ResolvedJob, splits: Iterable[SplitJob]) -> None:
    """Check that archives are not cut into so many segments that each is next to nothing."""
    layouts = {split.name: of_split.layout_of(resolved, split) for split in splits}
    least = max((-(-sum(each.sizes) // _MOST_SEGMENTS) for each in layouts.values()), default=0)
    for name, layout in layouts.items():
        if layout.segments > _MOST_SEGMENTS:
            raise UsageError(
                f"--segment-size {layout.segment_bytes} cuts the archives of {name} into too many"
                " segments",
                expected=f"at most {_MOST_SEGMENTS:,}",
                found=f"{layout.segments:,}",
                remedy=f"say --segment-size {least} or more, or leave it out",
            )


def _splits_to_sort(inventory: Inventory) -> list[SplitJob]:
    """Return the splits of which shards are to be written, and whose archives can be sorted."""
    resolved = inventory.resolved
    every = resolved.splits.values() if resolved.job.wants("shards") else ()
    splits = [split for split in every if of_split.can_be_sorted(resolved, split)]
    pending = {each.split for each in inventory.pending() if each.kind == SHARDS} if splits else ()
    return [split for split in splits if split.name in pending]


def _lacking_room(resolved: ResolvedJob, splits: list[SplitJob], sorting: ResolvedJob) -> str:
    """Return what archives cannot be sorted for, where memory or the output folder lack room.

    Args:
        resolved: the job.
        splits: those whose archives would be sorted.
        sorting: the job that sorts them.
    """
    held = max(of_split.layout_of(resolved, split).largest for split in splits)
    memory = memory_bytes()
    if held > _HELD * memory:
        return (
            f"a segment of {size(held)} would be held in memory, which is {size(memory)}:"
            f" --segment-size {int(_HELD * memory)} has smaller ones"
        )
    needed, free = preflight.needed_bytes(sorting), storage.free_bytes(resolved.out)
    if free is not None and needed > free:
        return (
            f"{resolved.out} lacks room: {size(needed)} would be written there,"
            f" and {size(free)} are free"
        )
    return ""


def _pays(resolved: ResolvedJob, splits: list[SplitJob]) -> bool:
    """Whether a disk would seek for each of many images that are in no memory."""
    disk = storage.disk_of(storage.on_this_machine(resolved.raw), writing=False)
    if disk.kind is not DiskKind.ROTATIONAL:
        return False
    layouts = [of_split.layout_of(resolved, split) for split in splits]
    if sum(sum(layout.sizes) for layout in layouts) <= _CACHED * memory_bytes():
        return False
    missing = [len(ShardWork(resolved, split).missing()) for split in splits]
    return sum(missing) >= _LEAST_MISSING * sum(split.shards for split in splits)
