"""What of earlier reports is still right, and what is made anew or removed."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline import manifest, paths, storage
from pipeline.documents import kinds
from pipeline.documents.report import (
    ReportImagesMark,
    ReportMark,
    ReportPagesMark,
    ReportSheetsMark,
)
from pipeline.manifest import Sealed
from pipeline.report import places
from pipeline.state.ownership import is_owned
from pipeline.storage import Location


def finished(out: Location, digest: str) -> ReportMark | None:
    """Return the mark of a report whose pages are there; None: they are not."""
    mark = manifest.read_complete(places.mark(out, digest), out, ReportMark)
    for part in range(mark.parts if mark else 0):
        place = places.pages_mark(out, digest, part)
        if manifest.read_complete(place, out, ReportPagesMark) is None:
            return None
    return mark


def is_complete(out: Location, digest: str) -> bool:
    """Whether the pages of a report are there, and so are the sheets that they show."""
    if finished(out, digest) is None:
        return False
    marks = _marks(out, digest)
    return all(manifest.read_complete(place, out, kind) is not None for place, kind in marks)


def forget_damaged(out: Location, digest: str) -> None:
    """Have made anew what was found damaged when it was made: it may have been mended since."""
    for place, kind in _marks(out, digest):
        mark = manifest.read_undamaged(place, kind)
        if mark is None or _is_of_damage(mark):
            storage.remove(out, place)


def forget_others(out: Location, digest: str) -> None:
    """Have no other report be complete: the first page becomes this one's."""
    for other in _digests(out):
        if other != digest:
            storage.remove(out, places.mark(out, other))


def sweep(out: Location, digest: str) -> None:
    """Remove what earlier reports have left, once the first page is that of a digest."""
    for other in _digests(out):
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
    return isinstance(mark, ReportMark) and bool(mark.findings)


def _digests(out: Location) -> list[str]:
    """Return the digests of reports of which something is there."""
    names: set[str] = set()
    for folder in (places.folder(out), places.marks(out, "0" * 12).parent):
        if storage.reachable(out, folder):
            names.update(storage.folders(folder))
    return sorted(name for name in names if paths.is_digest(name))
