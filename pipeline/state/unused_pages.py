"""What is left of pages for people that another page has taken the place of."""

from __future__ import annotations

from pipeline import manifest, paths, storage
from pipeline.documents.report import ReportMark
from pipeline.report import places
from pipeline.state import ownership
from pipeline.storage import Location, Plan


def digests(out: Location) -> list[str]:
    """Return the digests of the pages of which something is there."""
    names: set[str] = set()
    for folder in (places.folder(out), places.all_marks(out)):
        if storage.reachable(out, folder):
            names.update(storage.folders(folder))
    return sorted(name for name in names if paths.is_digest(name))


def plans(out: Location) -> dict[Location, Plan]:
    """Return folder -> what goes of pages and sheets that no finished report leads to.

    Where none is finished, or its mark cannot be read, nothing goes.
    """
    every = digests(out)
    finished = [each for each in every if storage.stat(places.mark(out, each)) is not None]
    needed = set(finished)
    for each in finished:
        mark = manifest.read_undamaged(places.mark(out, each), ReportMark)
        if mark is None:
            return {}
        needed.update(mark.uses)
    if not finished:
        return {}
    folders = [
        spell(out, each)
        for each in every
        if each not in needed
        for spell in (places.marks, places.files)
    ]
    found = {
        folder: storage.plan_folder(out, folder, lambda path: ownership.is_owned(out, path))
        for folder in folders
        if storage.reachable(out, folder)
    }
    if not any(storage.stat(places.duplicates_mark(out, each)) for each in needed):
        files = (places.duplicates(out), places.duplicates_table(out))
        found[places.folder(out)] = storage.plan_files(out, files)
    return {folder: plan for folder, plan in found.items() if plan.files}


def are_in(out: Location, place: Location) -> bool:
    """Whether a folder is one of a page."""
    return any(
        storage.is_below(place, each) for each in (places.folder(out), places.all_marks(out))
    )
