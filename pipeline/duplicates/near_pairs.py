"""All pairs of 64-bit hashes that differ in few bits, without comparing each with every other.

The bits are divided into one band more than may differ, so two such hashes agree in one band at
least (the pigeonhole principle). Hashes are sorted by a band and compared where it is equal. That
is exhaustive: no pair is missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

BITS: Final = 64
MOST_DISTANCE: Final = 8
"""Of two hashes, in bits: above, bands are so narrow that nearly all is compared with all."""
_COMPARED: Final = 1 << 18
"""Comparisons at once, about: each takes some 30 bytes meanwhile."""
_SMALL: Final = 16
"""Hashes with an equal band, at most, that are compared together with those of other values."""

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
"""The places of the one and of the other hash of each pair."""


def near_pairs(hashes: NDArray[np.uint64], distance: int) -> Iterator[Pairs]:
    """Yield the pairs that differ in so many bits or fewer; some more than once.

    Args:
        hashes: different ones.
        distance: in bits, from 0 to `MOST_DISTANCE`.
    """
    for band in range(distance + 1 if distance else 0):
        # Every so manieth bit: low frequencies, in which many images agree, are in all bands.
        mask = np.uint64(sum(1 << bit for bit in range(band, BITS, distance + 1)))
        values = hashes & mask
        order = np.argsort(values, kind="stable")
        changes = np.flatnonzero(np.diff(values[order])) + 1
        starts = np.concatenate([np.zeros(1, np.int64), changes])
        sizes = np.diff(np.append(starts, len(hashes)))
        small = (sizes > 1) & (sizes <= _SMALL)
        yield from _within_small(hashes, order, starts[small], sizes[small], distance)
        large = sizes > _SMALL
        for start, size in zip(starts[large].tolist(), sizes[large].tolist(), strict=True):
            yield from _within_large(hashes, order[start : start + size], distance)


def distances(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return in how many bits hashes differ; the arrays are broadcast."""
    bits = one ^ other
    bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
    bits = (bits & np.uint64(0x3333333333333333)) + (
        (bits >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return ((bits * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.uint8)


def _within_small(
    hashes: NDArray[np.uint64],
    order: NDArray[np.int64],
    starts: NDArray[np.int64],
    sizes: NDArray[np.int64],
    distance: int,
) -> Iterator[Pairs]:
    """Compare within many runs of `order` at once: the first with the second, and so on."""
    for second in range(1, int(sizes.max(initial=1))):
        begins = starts[sizes > second]
        for first in range(second):
            one, other = order[begins + first], order[begins + second]
            near = distances(hashes[one], hashes[other]) <= distance
            yield one[near], other[near]


def _within_large(
    hashes: NDArray[np.uint64], places: NDArray[np.int64], distance: int
) -> Iterator[Pairs]:
    """Compare within one run, some rows at once."""
    own = hashes[places]
    rows = max(1, _COMPARED // len(own))
    for row in range(0, len(own), rows):
        near = distances(own[row : row + rows, None], own[None, row:]) <= distance
        one, other = np.nonzero(near)
        apart = one < other
        yield places[row + one[apart]], places[row + other[apart]]
