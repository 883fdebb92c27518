"""The images of each class that are chosen where not all are: those of the least hashes."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.sources.openimages import ids
from pipeline.sources.openimages.ids import Numbers

_SLACK: Final = 4096


class Least:
    """Of each class, as many images as are wanted: those of the least hashes, by ImageID if equal.

    So the images of a limit are among those of every larger one, whatever else is chosen.

    Args:
        classes: how many there are.
        limit: images of a class.
        seed: of the hash.
    """

    def __init__(self, classes: int, limit: int, seed: int) -> None:
        self._limit = limit
        self._seed = seed
        self._kept = [np.empty((0, 2), np.uint64) for _ in range(classes)]
        self._new: list[list[NDArray[np.uint64]]] = [[] for _ in range(classes)]

    def add(self, images: Numbers, classes: NDArray[np.int32]) -> None:
        """Add images, and a class of each; every pair comes once."""
        if not len(images):
            return
        distinct, places = np.unique(images, return_inverse=True)
        pairs = np.stack([ids.hashes(distinct, self._seed), distinct], axis=1)[places]
        order = np.argsort(classes, kind="stable")
        numbers, firsts = np.unique(classes[order], return_index=True)
        for number, some in zip(numbers.tolist(), np.split(pairs[order], firsts[1:]), strict=True):
            self._new[number].append(some)
            if sum(map(len, self._new[number])) > self._limit + _SLACK:
                self._prune(number)

    def images(self) -> Numbers:
        """Return the chosen images of all classes, ascending, each once."""
        for number in range(len(self._kept)):
            self._prune(number)
        return np.unique(np.concatenate([np.empty(0, np.uint64), *(p[:, 1] for p in self._kept)]))

    def _prune(self, number: int) -> None:
        pairs = np.concatenate([self._kept[number], *self._new[number]])
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))[: self._limit]
        self._kept[number], self._new[number] = pairs[order], []


class All:
    """Every image that is added, whatever its class; they come bucket by bucket, in their order."""

    def __init__(self) -> None:
        self._images: list[Numbers] = []

    def add(self, images: Numbers, classes: NDArray[np.int32]) -> None:
        """Add images, all behind those before; their classes do not matter."""
        del classes
        self._images.append(np.unique(images))

    def images(self) -> Numbers:
        """Return all images, ascending, each once."""
        return np.concatenate([np.empty(0, np.uint64), *self._images])
