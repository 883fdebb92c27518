"""How many images of a list or folder are of each class, and which have none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_MOST: Final = 1 << 17
"""Classes, as many as a person can have folders of."""


@dataclass(frozen=True)
class ClassCounts:
    """The images of each class.

    Attributes:
        counts: class index -> images; empty where there are more classes than folders can be of.
        without: how many images have no class, or labels that are none.
        without_line: the line of the first of these in its list; 0: there is none.
    """

    counts: Mapping[int, int]
    without: int = 0
    without_line: int = 0


class ClassCounter:
    """Counts the images of each class, part by part."""

    def __init__(self) -> None:
        self._counts = Counter[int]()
        self._without = self._line = 0
        self._too_many = False

    def add(self, classes: pa.Array, lines: NDArray[np.int64]) -> None:
        """Count some images.

        Args:
            classes: (n,) int32, of each its class index; -1: it has none.
            lines: (n,) where each stands in its list.
        """
        indexes, counts = np.unique(classes.to_numpy(), return_counts=True)
        images_of = dict(zip(indexes.tolist(), counts.tolist(), strict=True))
        without = images_of.pop(-1, 0)
        if without and not self._without:
            self._line = int(lines[int(np.argmax(classes.to_numpy() == -1))])
        self._without += without
        if not self._too_many:
            self._counts.update(images_of)
            self._too_many = len(self._counts) > _MOST

    def result(self) -> ClassCounts:
        """Return what was counted."""
        counts = {} if self._too_many else dict(sorted(self._counts.items()))
        return ClassCounts(counts, self._without, self._line)
