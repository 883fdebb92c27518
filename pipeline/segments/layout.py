"""Where the segments of archives begin, and what a sorted segment is.

The archives of a split count as if they stood one behind the other; a segment is so many bytes of
that, and has the images that begin in it. A sorted segment is a file of these images in the order
of the plan: those of the first shard, then those of the second, and so on. Behind them stands its
index, `INDEX` for each shard of the split, which says where the images of the shard begin and what
the xxh3-128 of all of them together is. How long each image is, the plan says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import digests

VERSION: Final = 1
"""Of the form of a sorted segment."""
INDEX: Final = np.dtype([("start", "<i8"), ("xxh3_128", "V16")])
"""What is said of a shard: the offset of its first image in the file, in bytes, and a hash."""


@dataclass(frozen=True)
class ArchiveRange:
    """Some bytes of an archive, as a part of a segment.

    Attributes:
        archive: its file name.
        offset: where they begin in it, in bytes.
        length: how many they are.
        place: where they begin in the segment, in bytes.
    """

    archive: str
    offset: int
    length: int
    place: int


@dataclass(frozen=True)
class SegmentLayout:
    """How the archives of a split are cut into segments.

    Attributes:
        digest: of all that decides the bytes of the sorted segments; see `digest_of`.
        archives: file names, in order.
        sizes: bytes of each archive.
        segment_bytes: bytes of a segment; the last one has fewer.
        shards: how many shards the split has.
    """

    digest: str
    archives: tuple[str, ...]
    sizes: tuple[int, ...]
    segment_bytes: int
    shards: int

    @property
    def segments(self) -> int:
        """How many segments there are."""
        return -(-sum(self.sizes) // self.segment_bytes)

    @property
    def largest(self) -> int:
        """The bytes of the largest segment."""
        return min(self.segment_bytes, sum(self.sizes))

    @property
    def index_bytes(self) -> int:
        """The bytes of the index of a sorted segment."""
        return self.shards * INDEX.itemsize

    @cached_property
    def _firsts(self) -> NDArray[np.int64]:
        """Where each archive begins."""
        return np.array([0, *accumulate(self.sizes)][:-1], np.int64)

    def positions(self, rows: pa.RecordBatch) -> NDArray[np.int64]:
        """Return where each image of a plan begins; -1: in none of the archives.

        Args:
            rows: (n) of a plan.

        Returns:
            (n,) int64, in bytes from the beginning of the first archive.
        """
        places = pc.index_in(rows.column("source"), pa.array(self.archives, pa.string()))
        numbers = pc.fill_null(places, -1).to_numpy(zero_copy_only=False)
        offsets = rows.column("offset").to_numpy()
        return np.where(numbers < 0, -1, self._firsts[numbers] + offsets)

    def numbers(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the segment that each position lies in, from 0; -1: in none."""
        return np.where(positions < 0, -1, positions // self.segment_bytes)

    def place(self, position: int) -> tuple[str, int]:
        """Return the archive that a position lies in, and the offset there, in bytes."""
        number = int(np.searchsorted(self._firsts, position, "right")) - 1
        return self.archives[number], position - int(self._firsts[number])

    def ranges(self, start: int, stop: int) -> Iterator[ArchiveRange]:
        """Yield the parts of archives that lie between two positions, in order."""
        for archive, first, size in zip(
            self.archives, self._firsts.tolist(), self.sizes, strict=True
        ):
            begin, end = max(start, first), min(stop, first + size)
            if begin < end:
                yield ArchiveRange(archive, begin - first, end - begin, begin - start)


def digest_of(plan: str, archives: Sequence[tuple[str, str]], segment_bytes: int) -> str:
    """Return a digest of all that decides the bytes of sorted segments.

    Args:
        plan: digest of the plan.
        archives: file name and MD5 of each archive, in order.
        segment_bytes: bytes of a segment.
    """
    named = [list(each) for each in archives]
    bounds = {"archives": named, "bytes": segment_bytes, "version": VERSION}
    return digests.digest({"plan": plan, "segments": bounds})
