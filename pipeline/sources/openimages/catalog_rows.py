"""The rows of the catalog of Open Images: images that were selected, with what came of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import storage
from pipeline.catalog import objects
from pipeline.catalog import table as catalog
from pipeline.catalog.classes import LabelTable
from pipeline.errors import OutputDamaged
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.collected import SUFFIX, Collected
from pipeline.sources.openimages.ids import Numbers, numbers
from pipeline.sources.openimages.images import image_rows

_NONE: Final = -1  # the class index of an image that shows none of the chosen classes
_OBJECTS: Final = [
    *("image_id", "class_index", *objects.CORNERS),
    *(*tables.FLAGS, "mask_path"),
]
_OUTCOMES: Final = ["image_id", "outcome", "bytes"]


class Following:
    """The rows of a table that is sorted by image_id, for images in ascending order."""

    def __init__(self, parts: Iterator[pa.Table], empty: pa.Schema) -> None:
        self._parts = parts
        self._empty = empty.empty_table()
        self._rest: pa.Table = self._empty

    def up_to(self, last: np.uint64) -> tuple[pa.Table, Numbers]:
        """Return the rows, not returned yet, of images up to one, and the ImageID of each."""
        taken, ids = [self._empty], [np.empty(0, np.uint64)]
        while True:
            known = numbers(self._rest["image_id"])
            stop = int(np.searchsorted(known, last, "right"))
            taken.append(self._rest.slice(0, stop))
            ids.append(known[:stop])
            self._rest = self._rest.slice(stop)
            if self._rest.num_rows:
                break
            following = next(self._parts, None)
            if following is None:
                break
            self._rest = following
        return pa.concat_tables(taken), np.concatenate(ids)


def catalog_rows(collected: Collected, table: LabelTable) -> Iterator[pa.Table]:
    """Yield the catalog of a split, by ImageID, in parts.

    An image that has no file has the length -1. An image of several classes is of the first of
    them, and has all of them as labels.

    Raises:
        OutputDamaged: tables are not those of each other.
    """
    schema = pa.schema([tables.OBJECTS.field(name) for name in _in_order(_OBJECTS)])
    parts = tables.read(collected.selected_objects, tables.OBJECTS, schema.names)
    following = Following(parts, schema)
    waiting, rows = list[pa.Table](), 0
    for place in range(len(collected.groups)):
        selected = tables.read_group(collected.selected_images, tables.IMAGES, place)
        outcomes = collected.group(place, _OUTCOMES)
        if outcomes["image_id"] != selected["image_id"]:
            raise OutputDamaged(
                "the tables of what was selected and of what was fetched are of other images",
                file=str(collected.selected_images),
                place=f"row group {place}",
            )
        ids = numbers(selected["image_id"])
        listed = _objects(collected, table, ids, *following.up_to(ids[-1]))
        waiting.append(_rows(collected, table, selected, outcomes, ids, listed))
        rows += len(ids)
        if rows >= catalog.ROWS:
            yield _together(waiting)
            waiting, rows = [], 0
    if waiting:
        yield _together(waiting)


def _together(parts: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(parts).unify_dictionaries().combine_chunks()


def _rows(
    collected: Collected,
    table: LabelTable,
    selected: pa.Table,
    outcomes: pa.Table,
    ids: Numbers,
    listed: pa.ListArray,
) -> pa.Table:
    count = len(ids)
    names = selected["image_id"].to_pylist()
    is_there = pc.is_in(outcomes["outcome"], value_set=pa.array(sorted(image_rows.THERE)))
    classes, labels = _classes(selected["classes"].combine_chunks())
    files = pa.array([name + SUFFIX for name in names], pa.string())
    columns = {
        "key": files,
        "filename": files,
        "source": pa.array(map(collected.source, names), pa.string()),
        "offset": pa.array(np.zeros(count, np.int64)),
        "length": pc.if_else(is_there, outcomes["bytes"], pa.scalar(-1, pa.int64())),
        "class_index": pa.array(classes),
        "class_id": _words(table.class_ids, classes),
        "class_text": _words(table.words, classes),
        "labels": labels,
        "id": pa.array(ids),
        "line": pa.array(np.zeros(count, np.int32)),
        "objects": listed,
    }
    return pa.table(columns).cast(catalog.SCHEMA)


def _words(words: tuple[str, ...], classes: NDArray[np.int32]) -> pa.DictionaryArray:
    """Return what stands in the label table for each class; "" where there is none."""
    texts = pa.array([*words, ""], pa.string())
    return texts.take(pa.array(np.where(classes < 0, len(words), classes))).dictionary_encode()


def _classes(listed: pa.ListArray) -> tuple[NDArray[np.int32], pa.ListArray]:
    """Return the class of each image, and all of those that have several."""
    counts = pc.list_value_length(listed).to_numpy()
    values = listed.flatten().to_numpy()
    starts = np.cumsum(counts) - counts
    classes = np.full(len(counts), _NONE, np.int32)
    classes[counts > 0] = values[starts[counts > 0]]
    is_several = counts > 1
    offsets = np.concatenate([[0], np.cumsum(np.where(is_several, counts, 0))]).astype(np.int32)
    several = values[np.repeat(is_several, counts)].astype(np.float32)
    return classes, pa.ListArray.from_arrays(pa.array(offsets), pa.array(several))


def _objects(
    collected: Collected, table: LabelTable, ids: Numbers, rows: pa.Table, of_rows: Numbers
) -> pa.ListArray:
    """Return the objects of each of some images, as a catalog has them.

    Raises:
        OutputDamaged: there are objects of other images.
    """
    places = np.searchsorted(ids, of_rows)
    if len(of_rows) and not np.array_equal(ids[np.minimum(places, len(ids) - 1)], of_rows):
        raise OutputDamaged(
            "objects of images that are not selected", file=str(collected.selected_objects)
        )
    offsets = [*np.searchsorted(of_rows, ids).tolist(), len(of_rows)]
    columns = [
        *(rows[side].cast(pa.float32(), safe=False) for side in objects.CORNERS),
        rows["class_index"],
        pa.array(table.class_ids, pa.string()).take(rows["class_index"]),
        pa.chunked_array([_flags(rows)]),
        _files(collected, rows["mask_path"]),
    ]
    arrays = [column.combine_chunks() for column in columns]
    structs = pa.StructArray.from_arrays(arrays, fields=list(objects.OBJECT))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs, type=objects.TYPE)


def _files(collected: Collected, mask_paths: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return where masks lie below the output folder, of those that do."""
    folder = storage.relative(places.masks(collected.out, collected.split), collected.out)
    written = collected.written_masks(mask_paths)
    return pc.binary_join_element_wise(pa.scalar(folder), written, "/")


def _flags(rows: pa.Table) -> pa.Array:
    """Return the bits of the flags that are 1; null of an object of which nobody says any."""
    bits = np.zeros(rows.num_rows, np.uint8)
    unsaid = np.ones(rows.num_rows, bool)
    for name in tables.FLAGS:
        values = rows[name].combine_chunks()
        bits |= np.where(
            pc.fill_null(values, 0).to_numpy(zero_copy_only=False) == 1, objects.FLAGS[name], 0
        ).astype(np.uint8)
        unsaid &= values.is_null().to_numpy(zero_copy_only=False)
    return pa.array(bits, mask=unsaid)


def _in_order(names: list[str]) -> list[str]:
    """Return columns in the order of their table."""
    return [name for name in tables.OBJECTS.names if name in names]
