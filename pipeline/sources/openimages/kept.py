"""What Open Images keeps in an output folder: images and masks, as tables say what they were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from pipeline import manifest, storage
from pipeline.documents.openimages import SelectionMark
from pipeline.errors import OutputDamaged
from pipeline.sources.kept_files import KeptFile, KeptFiles, Original, Originals
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.ids import Numbers, numbers, texts
from pipeline.sources.openimages.images import image_rows
from pipeline.sources.openimages.images.image_files import ID_IN_KEY
from pipeline.sources.openimages.masks import mask_rows, sized_masks
from pipeline.storage import Location


def selections(out: Location) -> Iterator[SelectionMark]:
    """Yield the marks of all selections of an output folder that can be read."""
    for name in storage.folders(places.selections(out)):
        split, _, digest = name.rpartition("-")
        path = places.selection_mark(out, split, digest)
        mark = manifest.read_undamaged(path, SelectionMark)
        if mark is not None and (mark.split, mark.digest) == (split, digest):
            yield mark


def kept_files(out: Location) -> Iterator[KeptFiles]:
    """Yield the images and masks of all selections, those of a table together."""
    for mark in selections(out):
        place = out, mark.split, mark.digest
        for group in range(tables.group_count(mark.images)):
            if storage.stat(places.image_mark(*place, group)) is not None:
                yield KeptFiles(f"images/{mark.split}", partial(_images, *place, group))
        for digit in mark.digits:
            if storage.stat(places.mask_mark(*place, digit)) is not None:
                yield KeptFiles(f"masks/{mark.split}", partial(_masks, *place, digit))
            sized = places.sized_mask_table(*place, digit)
            if storage.stat(storage.with_suffix(sized, ".json")) is not None:
                yield KeptFiles(sized.parent.parent.name, partial(_sized_masks, *place, digit))


def originals(out: Location, keys: Mapping[str, str]) -> Iterator[Originals]:
    """Yield the images of all selections, those of a table together, and each once.

    Args:
        out: the output folder.
        keys: of the images of each split, such as ``train/{id}.jpg``.
    """
    earlier: dict[str, list[Numbers]] = {}
    for mark in selections(out):
        if mark.split not in keys:
            continue
        known = np.concatenate([np.empty(0, np.uint64), *earlier.get(mark.split, [])])
        for group in range(tables.group_count(mark.images)):
            place = out, mark.split, mark.digest, group
            if storage.stat(places.image_mark(*place)) is not None:
                ids = _ids(*place)
                earlier.setdefault(mark.split, []).append(ids)
                again = frozenset(texts(np.intersect1d(ids, known)).to_pylist())
                read = partial(_originals, *place, keys[mark.split], again)
                yield Originals(f"images/{mark.split}", read)


def _ids(out: Location, split: str, digest: str, group: int) -> Numbers:
    """Return the ImageIDs of a group; none where its table is damaged, as its mark says."""
    path = places.image_table(out, split, digest, group)
    try:
        parts = [
            numbers(t["image_id"]) for t in tables.read(path, tables.GROUP_TABLE, ["image_id"])
        ]
    except OutputDamaged:
        parts = []
    return np.concatenate([np.empty(0, np.uint64), *parts])


def _originals(
    out: Location, split: str, digest: str, group: int, key: str, again: frozenset[str]
) -> Iterator[Original]:
    for file in _images(out, split, digest, group):
        if file.path.stem not in again:
            yield Original(file, key.replace(ID_IN_KEY, file.path.stem))


def _images(out: Location, split: str, digest: str, group: int) -> Iterator[KeptFile]:
    columns = ["image_id", "outcome", "bytes", "md5"]
    path = places.image_table(out, split, digest, group)
    for rows in tables.read(path, tables.GROUP_TABLE, columns):
        for row in rows.to_pylist():
            if row["outcome"] in image_rows.THERE:
                file = places.image(out, split, row["image_id"])
                yield KeptFile(file, row["bytes"], row["md5"])


def _masks(out: Location, split: str, digest: str, digit: str) -> Iterator[KeptFile]:
    table, folder = places.mask_table(out, split, digest, digit), places.masks(out, split)
    return _of_table(table, folder, mask_rows.WRITTEN)


def _sized_masks(out: Location, split: str, digest: str, digit: str) -> Iterator[KeptFile]:
    table = places.sized_mask_table(out, split, digest, digit)
    return _of_table(table, places.sized_masks(out, split), sized_masks.SIZED)


def _of_table(table: Location, folder: Location, written: frozenset[str]) -> Iterator[KeptFile]:
    columns = ["mask_path", "outcome", "bytes", "crc32"]
    for rows in tables.read(table, tables.MASK_TABLE, columns):
        for row in rows.to_pylist():
            if row["outcome"] in written:
                yield KeptFile(folder / row["mask_path"], row["bytes"], f"{row['crc32']:08x}")
