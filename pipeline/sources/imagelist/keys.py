"""Keys of images: their paths, with their ids where a path is named more than once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

NO_PATHS: Final = np.zeros(0, np.uint64)
"""Hashes of no path at all."""

_NUMBERED: Final = r"#[0-9]+$"  # what ends like the key of a path that is named twice


def keys(names: Sequence[str], ids: pa.ChunkedArray, repeated: NDArray[np.uint64]) -> Sequence[str]:
    """Return the keys of images: see `list_rows.catalog_rows`.

    Args:
        names: their paths.
        ids: of the same images.
        repeated: see `repeats_among`.
    """
    if not len(repeated):
        return names
    again = numbered(names, repeated)
    if not again.any():
        return names
    rows = zip(names, ids.to_pylist(), again.tolist(), strict=True)
    return [f"{name}#{row}" if twice else name for name, row, twice in rows]


def numbered(names: Sequence[str], repeated: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return which paths get their image's id behind them: see `list_rows.catalog_rows`."""
    if not len(repeated):
        return np.zeros(len(names), np.bool_)
    again = np.isin(np.fromiter(hashes(names), np.uint64, len(names)), repeated)
    again |= pc.match_substring_regex(pa.array(names, pa.string()), _NUMBERED).to_numpy(False)
    return again


def hashes(names: Sequence[str]) -> Iterator[int]:
    """Yield the xxh3-64 of each path."""
    return (xxhash.xxh3_64_intdigest(name.encode()) for name in names)


def repeats_among(path64: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return (n,) uint64, sorted: the hashes that are there more than once."""
    ordered = np.sort(path64)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
