"""What of earlier reports is still right, and what is made anew or removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pipeline import manifest, storage
from pipeline.documents import kinds
from pipeline.documents.duplicates import DuplicatesMark, HashesMark
from pipeline.documents.report import (
    ReportImagesMark,
    ReportMark,
    ReportPagesMark,
    ReportSheetsMark,
)
from pipeline.duplicates import hash_groups
from pipeline.duplicates.perceptual_hash import VERSION
from pipeline.errors import OutputDamaged, Vanished
from pipeline.finished.outputs import CountingOutput
from pipeline.manifest import Sealed
from pipeline.report import places
from pipeline.state import unused_pages
from pipeline.state.ownership import is_owned
from pipeline.storage import Location

NO_DUPLICATES: Final = -1
"""Stands for the distance of duplicates where nobody has looked for any."""


def finished(out: Location, digest: str) -> ReportMark | None:
    """Return the mark of a report whose pages are there; None: they are not."""
    mark = manifest.read_complete(places.mark(out, digest), out, ReportMark)
    for part in range(mark.parts if mark else 0):
        place = places.pages_mark(out, digest, part)
        if manifest.read_complete(place, out, ReportPagesMark) is None:
            return None
    return mark


def is_complete(out: Location, digest: str, distance: int = NO_DUPLICATES) -> bool:
    """Whether the pages of a report are there, and so are the sheets that they show.

    Args:
        out: the output folder.
        digest: of the report.
        distance: of the duplicates that it is to lead to; `NO_DUPLICATES`: it may lead to any.
    """
    mark = finished(out, digest)
    if mark is None or mark.duplicates != duplicates_distance(out, digest):
        return False
    if distance not in {NO_DUPLICATES, mark.duplicates}:
        return False
    # Those of duplicates are asked for apart, see above.
    of_pages = (ReportImagesMark, ReportMark, ReportPagesMark, ReportSheetsMark)
    marks = (each for each in _marks(out, digest) if issubclass(each[1], of_pages))
    return all(manifest.read_complete(place, out, kind) is not None for place, kind in marks)


def duplicates_distance(out: Location, digest: str) -> int:
    """Return the distance of the page of duplicates of a report; `NO_DUPLICATES`: it has none."""
    mark = manifest.read_complete(places.duplicates_mark(out, digest), out, DuplicatesMark)
    return mark.distance if mark is not None and mark.version == VERSION else NO_DUPLICATES


def forget_duplicates(out: Location) -> None:
    """Have no page of duplicates count: page and table become those of another one."""
    for digest in unused_pages.digests(out):
        storage.remove(out, places.duplicates_mark(out, digest))


def remove_duplicates(out: Location, digest: str) -> None:
    """Have page and table of duplicates that are not those of a report not count, and remove them.

    In a store they stay until `shardmill clean`: no page leads to them.
    """
    if duplicates_distance(out, digest) == NO_DUPLICATES:
        forget_duplicates(out)
        if storage.takes_folders(out):
            for path in (places.duplicates(out), places.duplicates_table(out)):
                storage.remove(out, path)


def forget_damaged(out: Location, digest: str) -> None:
    """Have made anew what was found damaged when it was made: it may have been mended since."""
    for place, kind in _marks(out, digest):
        mark = manifest.read_undamaged(place, kind)
        if mark is None or _is_of_damage(mark):
            storage.remove(out, place)


def forget_damaged_hashes(out: Location, outputs: Iterable[CountingOutput]) -> None:
    """Have the images of outputs hashed anew whose hashes are damaged, or lack damaged images."""
    for group in (group for each in outputs for group in hash_groups.hash_groups(each.document)):
        place = hash_groups.mark(out, group.split, group.digest)
        if storage.stat(place) is not None:
            try:
                mark = manifest.read_checked(place, out, HashesMark)
            except (OutputDamaged, Vanished):
                storage.remove(out, place)
            else:
                if mark.damaged or mark.missing:
                    storage.remove(out, place)


def forget_others(out: Location, digest: str) -> None:
    """Have no other report be complete: the first page becomes this one's."""
    for other in unused_pages.digests(out):
        if other != digest:
            storage.remove(out, places.mark(out, other))


def sweep(out: Location, digest: str) -> None:
    """Remove what earlier reports have left, once the first page is that of a digest.

    In a store nothing is deleted but by `shardmill clean`, as of all commands.
    """
    if not storage.takes_folders(out):
        return
    for other in unused_pages.digests(out):
        if other == digest:
            continue
        for folder in (places.marks(out, other), places.files(out, other)):
            storage.carry_out(storage.plan_folder(out, folder, lambda path: is_owned(out, path)))


def _marks(out: Location, digest: str) -> Iterator[tuple[Location, type[Sealed]]]:
    """Yield the marks of a report, each with its kind."""
    for place in storage.documents(places.marks(out, digest)):
        kind = kinds.kind_of(out, place)
        if kind is not None:
            yield place, kind


def _is_of_damage(mark: Sealed) -> bool:
    if isinstance(mark, ReportImagesMark):
        return bool(mark.damaged)
    if isinstance(mark, ReportSheetsMark):
        return any(each.damaged for each in mark.images)
    if isinstance(mark, DuplicatesMark):
        return bool(mark.damaged or mark.missing)
    return isinstance(mark, ReportMark) and bool(mark.findings)
