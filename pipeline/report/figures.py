"""How often each figure of the images of a split occurs: widths, bytes, modes, boxes, notes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from pipeline.report import tables

WIDTH, HEIGHT, ASPECT, BYTES = "width", "height", "aspect", "bytes"
BOXES, BOX_AREA = "boxes", "box area"
MODE, NOTE = "mode", "note"

_ASPECTS_OF_AN_OCTAVE: Final = 32
_SIZES_OF_AN_OCTAVE: Final = 16


@dataclass
class Figures:
    """Counts values; what is continuous is counted by a fine, fixed grid, so counts can be added.

    Widths, heights and boxes of an image are exact. An aspect (width by height) and a number of
    bytes are rounded by 1 or 2 percent, the area of a box, as a share of the image, by 0.1 percent
    of the image.
    """

    _numbers: dict[str, Counter[float]] = field(default_factory=dict)
    _words: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, facts: pa.Table, objects: pa.ListArray, boxes: ArrayLike) -> None:
        """Count the images of a shard.

        Args:
            facts: as of `facts.SCHEMA`.
            objects: as of the catalog, an image a row.
            boxes: how many each image has.
        """
        width, height = (facts[name].to_numpy().astype(np.float64) for name in (WIDTH, HEIGHT))
        self._count(WIDTH, width)
        self._count(HEIGHT, height)
        known = (width > 0) & (height > 0)
        self._count(ASPECT, _gridded(width[known] / height[known], _ASPECTS_OF_AN_OCTAVE))
        self._count(BYTES, np.round(_gridded(facts[BYTES].to_numpy(), _SIZES_OF_AN_OCTAVE)))
        self._count(BOXES, np.asarray(boxes, np.float64))
        self._count(BOX_AREA, np.round(_areas(objects), 3))
        self._say(MODE, facts["mode"])
        self._say(NOTE, facts["repair"])

    def table(self) -> pa.Table:
        """Return what was counted, as of `tables.FIGURES`, sorted."""
        numbers = [
            (what, "", value, count)
            for what, counts in sorted(self._numbers.items())
            for value, count in sorted(counts.items())
        ]
        words = [
            (what, text, 0.0, count)
            for what, counts in sorted(self._words.items())
            for text, count in sorted(counts.items())
        ]
        rows = [*numbers, *words]
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(tables.FIGURES)
        arrays = [
            pa.array(column, each.type)
            for column, each in zip(columns, tables.FIGURES, strict=True)
        ]
        return pa.table(arrays, tables.FIGURES)

    def _count(self, what: str, values: ArrayLike) -> None:
        found, counts = np.unique(np.asarray(values), return_counts=True)
        counter = self._numbers.setdefault(what, Counter())
        for value, count in zip(found.tolist(), counts.tolist(), strict=True):
            counter[value] += count

    def _say(self, what: str, column: pa.ChunkedArray) -> None:
        counter = self._words.setdefault(what, Counter())
        for each in pc.value_counts(column.cast(pa.string()).drop_null()).to_pylist():
            counter[each["values"]] += each["counts"]


def _gridded(values: ArrayLike, steps: int) -> NDArray[np.float64]:
    """Return positive values rounded to so many a doubling."""
    logs = np.log2(np.maximum(np.asarray(values, np.float64), 1e-9))
    return np.round(np.exp2(np.round(logs * steps) / steps), 4).astype(np.float64)


def _areas(objects: pa.ListArray) -> NDArray[np.float64]:
    """Return the area of each box as a share of its image."""
    flat = objects.flatten()
    xmin, ymin, xmax, ymax = (
        flat.field(side).to_numpy(zero_copy_only=False).astype(np.float64)
        for side in ("xmin", "ymin", "xmax", "ymax")
    )
    return np.asarray(np.clip((xmax - xmin) * (ymax - ymin), 0, 1), np.float64)
