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
from pipeline.duplicates.perceptual_hash import BITS
from pipeline.errors import OutputDamaged, Vanished
from pipeline.finished.outputs import CountingOutput
from pipeline.manifest import Sealed
from pipeline.report import chosen, places
from pipeline.report.survey import Survey
from pipeline.state import unused_pages
from pipeline.state.ownership import is_owned
from pipeline.storage import Location

NO_DUPLICATES: Final = -1
"""Stands for the distance of duplicates where nobody has looked for any."""


def finished(survey: Survey) -> ReportMark | None:
    """Return the mark of a report whose pages are there; None: they are not."""
    out, digest = survey.out, survey.digest
    mark = manifest.read_complete(places.mark(out, digest), out, ReportMark)
    for part in range(mark.parts if mark else 0):
        place = places.pages_mark(out, digest, part)
        if manifest.read_complete(place, out, ReportPagesMark) is None:
            return None
    return mark


def is_complete(survey: Survey, distance: int = NO_DUPLICATES) -> bool:
    """Whether the pages of a report are there, and so are the sheets that they show.

    Args:
        survey: of what it shows.
        distance: of the duplicates that it is to lead to; `NO_DUPLICATES`: it may lead to any.
    """
    mark = finished(survey)
    if mark is None or mark.duplicates != duplicates_distance(survey):
        return False
    if distance not in {NO_DUPLICATES, mark.duplicates}:
        return False
    return all(_are_drawn(survey.out, split, digest) for split, digest in survey.sheets.items())


def _are_drawn(out: Location, split: str, digest: str) -> bool:
    """Whether the sheets of a split are there."""
    mark = manifest.read_complete(places.images_mark(out, digest, split), out, ReportImagesMark)
    groups = range(chosen.groups(mark.sheets) if mark else 0)
    marks = (places.sheets_mark(out, digest, split, group) for group in groups)
    return mark is not None and all(
        manifest.read_complete(place, out, ReportSheetsMark) is not None for place in marks
    )


def known_duplicates(survey: Survey) -> DuplicatesMark | None:
    """Return the mark of the page of duplicates of these outputs; None: it is not there.

    It may be of any distance: there is one page at most.
    """
    out, there = survey.out, set(unused_pages.digests(survey.out))
    for distance in range(BITS + 1) if there else ():
        digest = survey.duplicates_digest(distance)
        if digest in there:
            place = places.duplicates_mark(out, digest)
            if (mark := manifest.read_complete(place, out, DuplicatesMark)) is not None:
                return mark
    return None


def duplicates_distance(survey: Survey) -> int:
    """Return the distance of the page of duplicates of a report; `NO_DUPLICATES`: it has none."""
    mark = known_duplicates(survey)
    return NO_DUPLICATES if mark is None else mark.distance


def needed(survey: Survey) -> tuple[str, ...]:
    """Return the digests of the sheets and of the page of duplicates that a report leads to."""
    mark = known_duplicates(survey)
    return (*sorted(set(survey.sheets.values())), *([mark.digest] if mark else []))


def forget_duplicates(out: Location) -> None:
    """Have no page of duplicates count: page and table become those of another one."""
    for digest in unused_pages.digests(out):
        storage.remove(out, places.duplicates_mark(out, digest))


def remove_duplicates(survey: Survey) -> None:
    """Have page and table of duplicates that are not those of a report not count, and remove them.

    In a store they stay until `shardmill clean`: no page leads to them.
    """
    out = survey.out
    if known_duplicates(survey) is None:
        forget_duplicates(out)
        if storage.takes_folders(out):
            for path in (places.duplicates(out), places.duplicates_table(out)):
                storage.remove(out, path)


def forget_damaged(survey: Survey) -> None:
    """Have made anew what was found damaged when it was made: it may have been mended since."""
    for digest in (survey.digest, *needed(survey)):
        for place, kind in _marks(survey.out, digest):
            mark = manifest.read_undamaged(place, kind)
            if mark is None or _is_of_damage(mark):
                storage.remove(survey.out, place)


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


def sweep(survey: Survey) -> None:
    """Remove what earlier reports have left, once the first page is that of a survey.

    In a store nothing is deleted but by `shardmill clean`, as of all commands.
    """
    out = survey.out
    if not storage.takes_folders(out):
        return
    kept = {survey.digest, *needed(survey)}
    for other in unused_pages.digests(out):
        if other in kept:
            continue
        for folder in (places.marks(out, other), places.files(out, other)):
            storage.carry_out(storage.plan_folder(out, folder, lambda path: is_owned(out, path)))


def _marks(out: Location, digest: str) -> Iterator[tuple[Location, type[Sealed]]]:
    """Yield the marks in the folder of a digest, each with its kind."""
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
