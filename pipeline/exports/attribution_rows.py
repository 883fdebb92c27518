"""Whose the images of a split are, in the order of its catalog, whatever the order of the source.

Rows are spilled by the place of their image in the catalog, so that nobody holds them all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.catalog import details
from pipeline.catalog import table as catalog
from pipeline.catalog.details import Details
from pipeline.catalog.spill import Buckets
from pipeline.exports.base import SplitView
from pipeline.exports.image_sizes import hashes_of
from pipeline.storage import Location

_IN_ONE_BUCKET: Final = 1 << 16  # images
_SCHEMA: Final = details.ATTRIBUTION.append(pa.field("place", pa.int64()))
_NOTHING: Final[dict[str, Any]] = dict.fromkeys(details.ATTRIBUTION.names)


def read(
    split: SplitView, said: Details, scratch: Location
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what the source says of whose each image of a catalog is, in the catalog's order.

    Args:
        split: the split.
        said: what its source says of it; its `attribution` is given.
        scratch: temporary files lie beside it, under its name and more.

    Yields:
        The key of each image, and its row of `details.ATTRIBUTION`; of an image of which nobody
        says anything all values of that are None.
    """
    if said.attribution is None:
        return
    places = _Places(split)
    count = -(-places.images // _IN_ONE_BUCKET)
    if not count:
        return
    with Buckets(scratch, _SCHEMA, count) as buckets:
        for rows in said.attribution():
            numbers = places.of(rows["key"])
            kept = rows.select(details.ATTRIBUTION.names).cast(details.ATTRIBUTION)
            kept = kept.append_column(_SCHEMA.field("place"), pa.array(numbers))
            is_known = numbers >= 0
            buckets.add(kept.filter(pa.array(is_known)), numbers[is_known] // _IN_ONE_BUCKET)
        said_of_each = _in_order(buckets, count, places.images)
        for rows in catalog.read(split.catalog):
            yield from zip(rows["key"].to_pylist(), said_of_each, strict=False)


class _Places:
    """Where each image is in the catalog of a split, by its key: 24 bytes of memory an image."""

    def __init__(self, split: SplitView) -> None:
        parts = [hashes_of(rows["key"]) for rows in catalog.read(split.catalog)]
        hashes = np.concatenate([np.empty(0, "S16"), *parts])
        self._order = np.argsort(hashes)
        self._hashes = hashes[self._order]
        self.images = len(hashes)

    def of(self, keys: pa.ChunkedArray) -> NDArray[np.int64]:
        """Return the 0-based place of each image; -1 of those that the catalog lacks."""
        hashes = hashes_of(keys)
        rows = np.minimum(np.searchsorted(self._hashes, hashes), self.images - 1)
        return np.where(self._hashes[rows] == hashes, self._order[rows], -1)


def _in_order(buckets: Buckets, count: int, images: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each image of a catalog, in its order."""
    for bucket in range(count):
        rows = buckets.read(bucket)
        places = rows["place"].to_pylist()
        by_place = dict(zip(places, rows.drop_columns(["place"]).to_pylist(), strict=True))
        start = bucket * _IN_ONE_BUCKET
        for place in range(start, min(start + _IN_ONE_BUCKET, images)):
            yield by_place.get(place, _NOTHING)
