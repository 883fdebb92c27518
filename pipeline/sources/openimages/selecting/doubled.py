"""Rows that stand in a file more than once: all of their columns are the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
_HALF: Final = np.uint64(32)  # bits

Bits = NDArray[np.uint64]


def count_doubled(columns: Sequence[NDArray[Any]]) -> int:
    """Return how many rows are the same as one before them.

    Args:
        columns: (n,) each, of numbers; there is one at least.
    """
    bits = [_bits(column) for column in columns]
    hashes = np.zeros(len(bits[0]), np.uint64)
    for column in bits:
        hashes = (hashes ^ column) * _ODD
        hashes ^= hashes >> _HALF
    in_order = np.sort(hashes)
    again = in_order[1:][in_order[1:] == in_order[:-1]]
    if not len(again):
        return 0
    alike = np.flatnonzero(np.isin(hashes, again))  # by their hashes
    rows = np.stack([column[alike] for column in bits], axis=1)
    return len(rows) - len(np.unique(rows, axis=0))


def _bits(column: NDArray[Any]) -> Bits:
    """Return numbers as what is equal where they are equal, and where both are NaN."""
    if column.dtype.kind != "f":
        return column.astype(np.uint64)
    return (column.astype(np.float64) + 0.0).view(np.uint64)  # -0.0 is 0.0 then
