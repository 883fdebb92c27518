"""What is kept in an output folder and that no output, and no page, needs any more."""

from __future__ import annotations

from collections.abc import Collection

from pipeline.sources import read_files
from pipeline.state import sorted_segments, unused_hashes, unused_pages
from pipeline.state import unused_sources as unusedsources
from pipeline.storage import Location, Plan


def plans(
    out: Location, gone: Collection[Location] = (), unwritten: Collection[str] | None = None
) -> dict[Location, Plan]:
    """Return folder -> what goes of what is kept there.

    Args:
        out: the output folder.
        gone: folders of outputs that count as removed.
        unwritten: digests of shards that are still to be written; None: they are not known.
    """
    sorted_ones = sorted_segments.plans(out, unwritten)
    of_outputs = unusedsources.plans(out, gone) | unused_hashes.plans(out, gone)
    return of_outputs | unused_pages.plans(out) | sorted_ones | read_files.plans(out)


def kept_of(out: Location, place: Location) -> str:
    """Return what it was kept of that lies in one of these folders."""
    if unused_hashes.are_in(out, place):
        return "duplicates"
    if sorted_segments.are_in(out, place):
        return "archives, sorted by shard"
    if place == read_files.folder(out):
        return "shards that were read one by one"
    return "an earlier report" if unused_pages.are_in(out, place) else "source files"
