"""Which images of a split are shown: as many of each class as fit on a sheet, and repaired ones.

They are those with the least content hashes: as good as drawn by lot, the same every time, and the
same after images were added or the order of the shards has changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

COLUMNS: Final = 4
ROWS: Final = 3
CELLS: Final = COLUMNS * ROWS
"""Images of a class on its sheet, at most."""
MOST: Final = 12_000
"""Images of a split on its sheets, at most: of more than 1,000 classes each has fewer."""
MOST_REPAIRED: Final = 60
"""Repaired images of a split that are shown, at most."""
GROUP: Final = 16
"""Sheets that one task draws."""


@dataclass(frozen=True)
class Candidates:
    """All images of a split, as far as the choice needs them; arrays of one length.

    Attributes:
        class_index: int32, the class of each; -1: none.
        hash: uint64, the beginning of its content hash.
        shard: int32, 0-based.
        row: int32, 0-based in the facts of the shard.
        repaired: bool, whether its bytes were changed.
    """

    class_index: NDArray[np.int32]
    hash: NDArray[np.uint64]
    shard: NDArray[np.int32]
    row: NDArray[np.int32]
    repaired: NDArray[np.bool_]


@dataclass(frozen=True)
class Choice:
    """The chosen images, sheet by sheet; arrays of one length.

    Attributes:
        sheet: int32, 0-based: first a sheet for each class, in the order of their indexes, then
            those of repaired images.
        cell: int32, 0-based on the sheet.
        place: int64, which of the candidates.
    """

    sheet: NDArray[np.int32]
    cell: NDArray[np.int32]
    place: NDArray[np.int64]


def choose(images: Candidates, classes: NDArray[np.int32]) -> Choice:
    """Return the images that are shown of a split.

    Args:
        images: all of them.
        classes: sorted, the indexes of the classes that have a sheet.
    """
    each = max(1, min(CELLS, MOST // max(1, len(classes))))
    order = np.lexsort((images.row, images.shard, images.hash, images.class_index))
    sheet = np.searchsorted(classes, images.class_index[order]).astype(np.int32)
    cell = _counted(sheet)
    kept = cell < each
    repaired = np.flatnonzero(images.repaired)
    by_hash = np.lexsort((images.row[repaired], images.shard[repaired], images.hash[repaired]))
    repaired = repaired[by_hash][:MOST_REPAIRED]
    behind = np.arange(len(repaired), dtype=np.int32)
    return Choice(
        np.concatenate([sheet[kept], len(classes) + behind // CELLS]).astype(np.int32),
        np.concatenate([cell[kept], behind % CELLS]).astype(np.int32),
        np.concatenate([order[kept], repaired]).astype(np.int64),
    )


def groups(sheets: int) -> int:
    """Return how many tasks draw so many sheets."""
    return -(-sheets // GROUP)


def _counted(sorted_values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return of each value how many equal ones come before it."""
    numbers = np.arange(len(sorted_values))
    begins = np.concatenate([[True], sorted_values[1:] != sorted_values[:-1]])
    first = np.maximum.accumulate(np.where(begins[: len(numbers)], numbers, 0))
    return (numbers - first).astype(np.int32)


def hash_numbers(hashes: pa.StringArray) -> NDArray[np.uint64]:
    """Return the first 16 hex digits of each hash as a number."""
    return np.array([int(text[:16], 16) for text in hashes.to_pylist()], np.uint64)
