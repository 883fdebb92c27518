"""Sorted segments of archives in an output folder: what they take, and when they go."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final

from pipeline import manifest, storage
from pipeline.documents.segments import SegmentMark, SegmentRowsMark
from pipeline.job.artifacts import SEGMENTS, SHARDS, name_of
from pipeline.job.resolve import ResolvedJob
from pipeline.segments import of_split, places
from pipeline.segments.rows import ROW
from pipeline.state import ownership
from pipeline.state.inventory import Inventory
from pipeline.storage import Location, Plan

_MARK: Final = ".json"


def bytes_to_sort(inventory: Inventory) -> int:
    """Return roughly how many bytes of sorted segments are still to be written."""
    resolved, total = inventory.resolved, 0
    for artifact in inventory.pending():
        if artifact.kind == SEGMENTS:
            layout = of_split.layout_of(resolved, resolved.splits[artifact.split])
            (folder,) = artifact.files
            rows = resolved.splits[artifact.split].expected.images * ROW.itemsize
            total += max(0, sum(layout.sizes) + rows - sum(storage.sizes(folder).values()))
    return total


def are_begun(resolved: ResolvedJob) -> bool:
    """Whether there are sorted segments of a split of a job, of segments of its size."""
    there = set(_names(resolved.out))
    return any(of_split.digest(resolved, split) in there for split in resolved.splits.values())


def sweep(resolved: ResolvedJob) -> None:
    """Remove the sorted segments of the splits of a job whose shards are all there.

    Folders that hold nothing go, too, whichever job they were for: a command that is killed before
    its first segment is sorted leaves one.
    """
    out, inventory = resolved.out, Inventory(resolved)
    for digest in _names(out):
        storage.remove_empty(storage.on_this_machine(places.folder(out, digest)))
        mark = _some_mark(out, digest)
        split = resolved.splits.get(mark.split) if mark else None
        if mark is None or split is None or split.plan_digest != mark.plan:
            continue
        name = name_of(SHARDS, mark.split)
        if name in resolved.graph.artifacts and inventory.whole(name):
            storage.carry_out(_plan(out, digest))


def plans(out: Location, needed: Collection[str] | None) -> dict[Location, Plan]:
    """Return folder -> what goes of sorted segments that nothing needs.

    Args:
        out: the output folder.
        needed: digests of shards, whatever their format, that are still to be written; None: they
            are not known, and nothing goes.
    """
    going = dict[Location, Plan]()
    for digest in _names(out) if needed is not None else ():
        mark = _some_mark(out, digest)
        if mark is None or mark.shards not in (needed or ()):
            going[places.folder(out, digest)] = _plan(out, digest)
    return {folder: plan for folder, plan in going.items() if plan.files}


def are_in(out: Location, place: Location) -> bool:
    """Whether a folder is one of sorted segments."""
    return storage.is_below(place, places.every(out))


def _names(out: Location) -> Iterator[str]:
    """Yield the digests of the sorted segments that are there: in a store there are none."""
    folder = places.every(out)
    here = storage.takes_folders(out) and storage.reachable(out, folder)
    yield from storage.folders(folder) if here else ()


def _some_mark(out: Location, digest: str) -> SegmentMark | SegmentRowsMark | None:
    """Return the mark of one of the sorted segments of a digest, or of their rows."""
    for path in storage.documents(places.folder(out, digest)):
        of_rows = path == places.rows_mark(out, digest)
        mark = manifest.read_undamaged(path, SegmentRowsMark if of_rows else SegmentMark)
        if isinstance(mark, (SegmentMark, SegmentRowsMark)):
            return mark
    return None


def _plan(out: Location, digest: str) -> Plan:
    """Return what goes of the sorted segments of a digest.

    The marks of segments go first, and last that of their rows: what a killed command has left of
    the rest is known by it.
    """
    folder = places.folder(out, digest)
    plan = storage.plan_folder(out, folder, lambda path: ownership.is_owned(out, path))
    last = places.rows_mark(out, digest)
    items = sorted(
        plan.items,
        key=lambda item: (item.path == folder, item.path == last, item.path.suffix != _MARK),
    )
    return replace(plan, items=tuple(items))
