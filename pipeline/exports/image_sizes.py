"""Width and height of the images of a split, by the facts of its outputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from pipeline import paths, storage
from pipeline.exports.base import ShardSet, SplitView
from pipeline.images.prepare import ImageOptions
from pipeline.storage import Location
from pipeline.storage import table_bounds as tablebounds

Size = tuple[int, int]
_ROWS: Final = 1 << 14
_COLUMNS: Final = ["key", "width", "height"]


class ImageSizes:
    """Finds the size of each stored image by its key: 24 bytes of memory an image.

    Args:
        split: whose outputs say it; there is one or more.
    """

    def __init__(self, split: SplitView) -> None:
        hashes, sizes = [np.empty(0, "S16")], [np.empty((0, 2), np.int32)]
        for part in _read(paths.facts(_of_sources(split.shards).folder)):
            hashes.append(hashes_of(part["key"]))  # and not the keys, which have no bound
            sizes.append(np.stack([part["width"].to_numpy(), part["height"].to_numpy()], axis=1))
        every = np.concatenate(hashes)
        order = np.argsort(every)
        self._hashes, self._sizes = every[order], np.concatenate(sizes)[order]

    def of(self, keys: pa.ChunkedArray) -> list[Size | None]:
        """Return width and height of images in pixels; None: no output has the image."""
        wanted = hashes_of(keys)
        if not len(self._hashes):
            return [None] * len(wanted)
        places = np.minimum(np.searchsorted(self._hashes, wanted), len(self._hashes) - 1)
        known = self._hashes[places] == wanted
        sizes = self._sizes[places].tolist()
        return [
            (size[0], size[1]) if is_there else None
            for size, is_there in zip(sizes, known.tolist(), strict=True)
        ]


def keeps_size(options: ImageOptions) -> bool:
    """Whether images that are stored with some options have the size of their source."""
    turned = options.orientation == "bake" or (options.encodes and options.orientation is None)
    return options.resize is None and not options.center_crop and not turned


def _of_sources(shards: Sequence[ShardSet]) -> ShardSet:
    """Return the output whose images have the sizes of their sources, if there is one."""
    return next((each for each in shards if keeps_size(each.images)), shards[0])


def _read(facts: Location) -> Iterator[pa.Table]:
    with storage.open_arrow(facts) as file:
        table = pq.ParquetFile(file)
        tablebounds.check_groups(table, file)
        for part in table.iter_batches(_ROWS, columns=_COLUMNS, use_threads=False):
            if any(part[name].null_count for name in _COLUMNS):
                raise pa.ArrowInvalid("a fact is missing")
            yield pa.table(part)


def hashes_of(keys: pa.ChunkedArray) -> NDArray[np.bytes_]:
    """Return the xxh3-128 of each key: 16 bytes, whatever its length."""
    digests = [xxhash.xxh3_128_digest(key) for key in keys.cast(pa.binary()).to_pylist()]
    return np.frombuffer(b"".join(digests), "S16")
