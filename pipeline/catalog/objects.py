"""The objects of an image in the catalog: boxes, each with its class and what else is known.

The numbers of all objects of many images lie side by side in flat arrays: nobody looks at them one
by one in Python but who writes them into a record.
"""

from __future__ import annotations

from itertools import pairwise, starmap
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_T = TypeVar("_T")

Box = tuple[float, float, float, float]
"""xmin, ymin, xmax, ymax, as fractions of the width and height of an image."""

CORNERS: Final = ("xmin", "ymin", "xmax", "ymax")
UNKNOWN: Final = -1
"""The class index of an object that names no class of the label table: it is of its image's."""
LARGEST_CLASS: Final = (1 << 31) - 1
"""The largest number of a class, of an object or an image: they are stored as int32."""

OCCLUDED, TRUNCATED, GROUP, DEPICTION, INSIDE, DIFFICULT = (1 << bit for bit in range(6))
"""Bits of `flags`, as Open Images and PASCAL VOC name them."""
FLAGS: Final = {
    "occluded": OCCLUDED,
    "truncated": TRUNCATED,
    "group_of": GROUP,
    "depiction": DEPICTION,
    "inside": INSIDE,
    "difficult": DIFFICULT,
}
"""The same bits by their words, as samples and columns have them."""

OBJECT: Final = pa.struct(
    [
        *((side, pa.float32()) for side in CORNERS),  # fractions of width and height
        ("class_index", pa.int32()),  # 0-based in the label table; -1: none of it
        ("class_id", pa.string()),  # as in the label table; null: not known
        ("flags", pa.uint8()),  # bits of those above; null: nobody says
        ("mask", pa.string()),  # its file, named as sources are; null: there is none
    ]
)
TYPE: Final = pa.list_(OBJECT)
_REQUIRED: Final = (*CORNERS, "class_index")


def none(count: int) -> pa.ListArray:
    """Return the objects of so many images that have none."""
    offsets = pa.array(np.zeros(count + 1, np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array([], OBJECT), type=TYPE)


def listed(
    offsets: NDArray[np.int32],
    corners: NDArray[np.float32],
    class_index: NDArray[np.int32],
    class_ids: pa.StringArray,
) -> pa.ListArray:
    """Return the objects of n images, m in all; nobody says more of them.

    Args:
        offsets: (n + 1,) where those of each image begin, 0 first.
        corners: (m, 4) of each box, as of `Box`.
        class_index: (m,) as of `OBJECT`.
        class_ids: (m,) as of `OBJECT`.
    """
    sides = [pa.array(np.ascontiguousarray(side)) for side in corners.T]
    rest = (pa.nulls(len(corners), OBJECT.field(name).type) for name in ("flags", "mask"))
    columns = [*sides, pa.array(class_index), class_ids, *rest]
    structs = pa.StructArray.from_arrays(columns, fields=list(OBJECT))
    return pa.ListArray.from_arrays(pa.array(offsets), structs, type=TYPE)


def count(column: pa.ListArray | pa.ChunkedArray) -> int:
    """Return how many objects some images have together."""
    return len(_flat(column)[0])


def boxes(column: pa.ListArray | pa.ChunkedArray) -> list[tuple[Box, ...]]:
    """Return the boxes of each of some images."""
    flat, offsets = _flat(column)
    if not len(flat):
        return [()] * len(column)
    sides = [flat.field(side).to_numpy().tolist() for side in CORNERS]
    return _divided(tuple(zip(*sides, strict=True)), offsets)


def class_indexes(column: pa.ListArray | pa.ChunkedArray) -> list[tuple[int, ...]]:
    """Return the class of each object of each of some images; see `OBJECT`."""
    flat, offsets = _flat(column)
    if not len(flat):
        return [()] * len(column)
    return _divided(tuple(flat.field("class_index").to_numpy().tolist()), offsets)


def flags(column: pa.ListArray | pa.ChunkedArray) -> list[tuple[int, ...]]:
    """Return the flags of each object of each of some images; none where nobody says any."""
    flat, offsets = _flat(column)
    said = flat.field("flags")
    if said.null_count == len(said):
        return [()] * len(column)
    return _divided(tuple(said.fill_null(0).to_pylist()), offsets)


def class_ids(column: pa.ListArray | pa.ChunkedArray) -> list[tuple[str, ...]]:
    """Return the id of the class of each object of each of some images, "" where it has none.

    None where nobody says a flag either: then nothing asks for them.
    """
    flat, offsets = _flat(column)
    if flat.field("flags").null_count == len(flat):
        return [()] * len(column)
    return _divided(tuple(flat.field("class_id").fill_null("").to_pylist()), offsets)


def known_classes(column: pa.ListArray | pa.ChunkedArray) -> set[str]:
    """Return the ids of all classes that objects of some images have."""
    flat, _ = _flat(column)
    return set(flat.field("class_id").unique().drop_null().to_pylist())


def named_classes(column: pa.ListArray | pa.ChunkedArray) -> set[tuple[int, str]]:
    """Return index and id of each class that objects of some images have, where both are known."""
    flat, _ = _flat(column)
    classes = pa.table({name: flat.field(name) for name in ("class_index", "class_id")})
    rows = classes.group_by(classes.column_names).aggregate([]).to_pylist()
    pairs = ((row["class_index"], row["class_id"]) for row in rows)
    return {(index, class_id) for index, class_id in pairs if index >= 0 and class_id}


def masks(column: pa.ListArray | pa.ChunkedArray) -> list[tuple[str | None, ...]]:
    """Return the mask of each object of each of some images; none where no object has one."""
    flat, offsets = _flat(column)
    named = flat.field("mask")
    if named.null_count == len(named):
        return [()] * len(column)
    return _divided(tuple(named.to_pylist()), offsets)


def check(column: pa.ListArray | pa.ChunkedArray) -> None:
    """Check that no object lacks a corner or a class index.

    Raises:
        pa.ArrowInvalid: one does, which no catalog that was written has.
    """
    flat, _ = _flat(column)
    if flat.null_count or any(flat.field(name).null_count for name in _REQUIRED):
        raise pa.ArrowInvalid("an object without a corner or a class index")


def _flat(
    column: pa.ListArray | pa.ChunkedArray,
) -> tuple[pa.StructArray, NDArray[np.int32]]:
    """Return all objects of a column, and (n + 1,) where those of each image begin."""
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks or [none(0)])
    offsets = column.offsets.to_numpy()
    return column.flatten(), offsets - offsets[0]


def _divided(values: tuple[_T, ...], offsets: NDArray[np.int32]) -> list[tuple[_T, ...]]:
    """Return the values of all objects, those of each image together."""
    return [values[place] for place in starmap(slice, pairwise(offsets.tolist()))]
