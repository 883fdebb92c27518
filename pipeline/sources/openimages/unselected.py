"""What was collected for selections that nobody asks for any more, and that no other one needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np

from pipeline import storage
from pipeline.documents.openimages import SelectionMark
from pipeline.errors import OutputDamaged
from pipeline.sources.kept_files import Unneeded
from pipeline.sources.openimages import kept, places, tables
from pipeline.sources.openimages.ids import Numbers, numbers, texts
from pipeline.storage import Location

_MOST_NAMED = 3


def unneeded(out: Location, selections: Collection[str]) -> Iterator[Unneeded]:
    """Yield the files of each selection that is not among some, but what these need themselves.

    Args:
        out: the output folder.
        selections: digests of those that are still wanted.

    Raises:
        OutputDamaged: it is not known what one of these needs.
    """
    every = list(kept.selections(out))
    _check_known(out, every, selections)
    for split in dict.fromkeys(mark.split for mark in every):
        of_split = [mark for mark in every if mark.split == split]
        going = [mark for mark in of_split if mark.digest not in selections]
        if going:
            staying = [mark for mark in of_split if mark.digest in selections]
            yield from _of_split(out, split, going, staying)


def _check_known(
    out: Location, known: Sequence[SelectionMark], selections: Collection[str]
) -> None:
    """Check that the mark of each selection that is wanted, and there, can be read."""
    names = {f"{mark.split}-{mark.digest}" for mark in known}
    for name in storage.folders(places.selections(out)):
        split, _, digest = name.rpartition("-")
        if digest in selections and name not in names:
            raise OutputDamaged(
                "what a selection needs is not known",
                file=str(places.selection_mark(out, split, digest)),
                expected="its mark, as it was written",
                remedy="run the shardmill command that made it again: the mark is made anew",
            )


def _of_split(
    out: Location, split: str, going: Sequence[SelectionMark], staying: Sequence[SelectionMark]
) -> Iterator[Unneeded]:
    ids = [image for mark in staying for image in _ids(out, mark)]
    needed = np.unique(np.concatenate([np.empty(0, np.uint64), *ids]))
    needed_masks = {name for mark in staying for name in _masks(out, mark)}
    for mark in going:  # what several of them have goes once
        images = np.concatenate([np.empty(0, np.uint64), *_ids(out, mark)])
        free = texts(np.setdiff1d(images, needed)).to_pylist()
        masks = sorted({*_masks(out, mark)} - needed_masks)
        files = [
            *_tables(out, mark),
            *(places.image(out, split, each) for each in free),
            *(places.mask(out, split, each) for each in masks),
            *(places.sized_masks(out, split) / each for each in masks),
        ]
        yield Unneeded(_what(mark), tuple(files))
        needed = np.union1d(needed, images)
        needed_masks.update(masks)


def _what(mark: SelectionMark) -> str:
    names = [each.name for each in mark.classes]
    more = f" and {len(names) - _MOST_NAMED:,} more" if len(names) > _MOST_NAMED else ""
    return f"{mark.split}, {', '.join(names[:_MOST_NAMED])}{more}, selection {mark.digest}"


def _ids(out: Location, mark: SelectionMark) -> list[Numbers]:
    path = places.selected_images(out, mark.split, mark.digest)
    return [numbers(rows["image_id"]) for rows in tables.read(path, tables.IMAGES, ["image_id"])]


def _masks(out: Location, mark: SelectionMark) -> Iterator[str]:
    path = places.selected_objects(out, mark.split, mark.digest)
    for rows in tables.read(path, tables.OBJECTS, ["mask_path"]):
        yield from rows["mask_path"].drop_null().to_pylist()


def _tables(out: Location, mark: SelectionMark) -> Iterator[Location]:
    """Yield the tables of a selection, each behind its mark."""
    place = out, mark.split, mark.digest
    yield places.selection_mark(*place)
    for spell in (places.selected_images, places.selected_objects, places.selected_labels):
        yield spell(*place)
    for group in range(tables.group_count(mark.images)):
        yield from (places.image_mark(*place, group), places.image_table(*place, group))
    for digit in places.DIGITS:
        for table in (places.mask_table(*place, digit), places.sized_mask_table(*place, digit)):
            yield from (storage.with_suffix(table, ".json"), table)
