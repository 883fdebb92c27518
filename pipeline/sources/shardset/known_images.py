"""What the images in shards were when these were read: they are compared with that later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.errors import OutputDamaged
from pipeline.sources.shardset.labelling import HASH


class KnownImages:
    """The hashes of images by where they lie; see `KnownContents`."""

    def __init__(self, parts: Iterator[pa.Table]) -> None:
        self._by_source: dict[str, tuple[NDArray[np.int64], list[bytes]]] = {}
        try:
            whole = pa.concat_tables(part.select(["source", "offset", HASH]) for part in parts)
        except OutputDamaged:  # `verify` says so
            return
        whole = whole.sort_by([("source", "ascending"), ("offset", "ascending")])
        offsets, hashes = whole["offset"].to_numpy(), whole[HASH].to_pylist()
        start = 0
        for source, images in groupby(whole["source"].to_pylist()):
            end = start + sum(1 for _ in images)
            self._by_source[source] = (offsets[start:end], hashes[start:end])
            start = end

    def at(self, sources: Sequence[str], offsets: Sequence[int]) -> list[bytes | None]:
        """Return the xxh3-128 of each image; None where none is kept."""
        return [self._at(*each) for each in zip(sources, offsets, strict=True)]

    def _at(self, source: str, offset: int) -> bytes | None:
        known, hashes = self._by_source.get(source, (np.zeros(0, np.int64), []))
        place = int(np.searchsorted(known, offset))
        return hashes[place] if place < len(known) and known[place] == offset else None
