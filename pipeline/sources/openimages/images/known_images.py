"""What the tables of an output folder know of images that are to be collected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.errors import OutputDamaged
from pipeline.sources.openimages import places
from pipeline.sources.openimages.images.image_rows import FINAL, KEPT, ImageRow, read_rows

_TABLE: Final = ".parquet"


def known_images(
    out: Path, split: str, selection: str, number: int, ids: Sequence[str]
) -> dict[str, ImageRow]:
    """Return what is known of images, by their ImageIDs: of files that are there, at their size.

    Args:
        out: the output folder.
        split: of Open Images.
        selection: digest of the selection that they are collected for; its own table comes first.
        number: of the group in it.
        ids: ImageIDs, ascending.
    """
    recorded = recorded_images(out, split, selection, number, ids)
    return without_changed(recorded, places.images(out, split))


def recorded_images(
    out: Path, split: str, selection: str, number: int, ids: Sequence[str]
) -> dict[str, ImageRow]:
    """Return what tables say of images, whether their files are still there or not.

    See `known_images`.
    """
    known = dict[str, ImageRow]()
    own = places.image_table(out, split, selection, number)
    own_ids = set(ids)
    for path in (own, *_others(out, split, selection, ids)):
        for row in _rows(path):
            if row.image_id in own_ids and (row.is_there or row.outcome in FINAL):
                is_kept = row.is_there and path != own
                _take(known, replace(row, outcome=KEPT) if is_kept else row)
    return known


def _take(known: dict[str, ImageRow], row: ImageRow) -> None:
    """Take a row, unless more is known of its image: a file, or what was asked for later."""
    before = known.get(row.image_id)
    if before is None or (
        not before.is_there and (row.is_there or (row.asked or "") > (before.asked or ""))
    ):
        known[row.image_id] = row


def without_changed(known: dict[str, ImageRow], folder: Path) -> dict[str, ImageRow]:
    """Return what is known, without files that are not there at their size."""
    there = [row for row in known.values() if row.is_there]
    sizes = storage.file_sizes(folder, [f"{row.image_id}.jpg" for row in there])
    changed = {row.image_id for row, size in zip(there, sizes, strict=True) if row.bytes != size}
    return {image_id: row for image_id, row in known.items() if image_id not in changed}


def _others(out: Path, split: str, selection: str, ids: Sequence[str]) -> Iterator[Path]:
    """Yield the tables of other selections that may have some of these images."""
    own = places.image_tables(out, split, selection)
    for name in storage.folders(own.parent):
        folder = own.parent / name
        if name.startswith(f"{split}-") and folder != own:
            yield from _overlapping(folder, ids[0], ids[-1])


def _overlapping(folder: Path, first: str, last: str) -> Iterator[Path]:
    """Yield the tables in a folder that have images between two, in order.

    The groups of a selection have its images in order, so that few tables are looked at.
    """
    names = sorted(each.name for each in storage.kinds(folder) if each.name.endswith(_TABLE))
    low, high = 0, len(names)
    while low < high:
        middle = (low + high) // 2
        bounds = _bounds(folder / names[middle])
        if bounds is None or bounds[1] >= first:
            high = middle
        else:
            low = middle + 1
    for name in names[low:]:
        bounds = _bounds(folder / name)
        if bounds is not None and bounds[0] > last:
            break
        yield folder / name


def _bounds(path: Path) -> tuple[str, str] | None:
    """Return the first and the last ImageID of a table; None: it does not say, or is damaged."""
    try:
        with storage.open_arrow(path) as file:
            metadata = pq.ParquetFile(file).metadata
            groups = [metadata.row_group(each) for each in range(metadata.num_row_groups)]
            if not groups:
                return None
            statistics = [group.column(0).statistics for group in groups]
            if any(each is None or not each.has_min_max for each in statistics):
                raise pa.ArrowInvalid("a row group that does not say which images it has")
            return str(statistics[0].min), str(statistics[-1].max)
    except OutputDamaged:
        return None


def _rows(path: Path) -> list[ImageRow]:
    """Return the rows of a table; none of one that is absent or damaged: it is only made use of."""
    if storage.stat(path) is None:
        return []
    try:
        return list(read_rows(path))
    except OutputDamaged:
        return []
