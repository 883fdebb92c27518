"""Sorts a segment of archives: reads it once, front to back, and writes its images by shard.

The segment is held in memory once: images are written from where they were read to.
"""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from pipeline import storage
from pipeline.archives.member_hashes import KnownContents
from pipeline.errors import ArchiveRefused, EnvironmentRefused
from pipeline.quantities import size
from pipeline.segments.layout import INDEX, SegmentLayout
from pipeline.shards.read import check_member
from pipeline.storage import Location

STEP: Final = 1 << 23
"""Bytes that are read at once."""
_AT_ONCE: Final = 256  # images that one call writes; the system takes 1,024


@dataclass(frozen=True, eq=False)
class SegmentImages:
    """The n images that begin in a segment, in the order of the plan.

    Attributes:
        shards: (n,) int64, the number of the shard of each.
        positions: (n,) int64, where each begins; see `SegmentLayout.positions`.
        rows: (n) of the plan: key, source, offset and length.
    """

    shards: NDArray[np.int64]
    positions: NDArray[np.int64]
    rows: pa.RecordBatch

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) int64: the bytes of each image."""
        lengths: NDArray[np.int64] = self.rows.column("length").to_numpy()
        return lengths

    @property
    def bounds(self) -> tuple[int, int]:
        """Where the first image begins and the last one ends; they are equal if there is none."""
        if not len(self.positions):
            return 0, 0
        return int(self.positions.min()), int((self.positions + self.lengths).max())


def images_of(layout: SegmentLayout, number: int, plan: Iterable[pa.RecordBatch]) -> SegmentImages:
    """Return the images that begin in a segment.

    Args:
        layout: of the split.
        number: of the segment, from 0.
        plan: the rows of each shard, in order.
    """
    shards, positions, rows = list[NDArray[np.int64]](), list[NDArray[np.int64]](), []
    for shard, batch in enumerate(plan):
        found = layout.positions(batch)
        chosen = np.flatnonzero(layout.numbers(found) == number)
        shards.append(np.full(len(chosen), shard, np.int64))
        positions.append(found[chosen])
        columns = batch.select(["key", "source", "offset", "length"])
        rows.append(columns.take(pa.array(chosen)))
    (batch,) = pa.Table.from_batches(rows).combine_chunks().to_batches() or [rows[0]]
    return SegmentImages(np.concatenate(shards), np.concatenate(positions), batch)


def sort_segment(
    staged: storage.StagedFile,
    layout: SegmentLayout,
    images: SegmentImages,
    root: Location,
    members: KnownContents,
    progress: Callable[[int], None],
) -> bytes:
    """Write the images of a segment in the order of the plan, and their index; return that.

    Args:
        staged: takes the sorted segment.
        layout: of the split.
        images: of the segment.
        root: folder of the archives, on this machine.
        members: what the images were when their archives were verified: they are compared.
        progress: called with the bytes read so far.

    Raises:
        ArchiveRefused: an archive ends before an image does.
        MemberDiffers: an image is not what it was when its archive was verified.
        EnvironmentRefused: there is not enough memory for the segment.
    """
    start, stop = images.bounds
    with _memory(stop - start) as held, memoryview(held) as segment:
        _read(layout, start, segment[: stop - start], root, progress)
        with _Images(images, segment, start, root, members) as content:
            index = _write(staged, layout.shards, images.shards, content)
    staged.write(index)
    return index


def _memory(length: int) -> mmap.mmap:
    """Return memory of so many bytes, or of one."""
    try:
        return mmap.mmap(-1, max(1, length))
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise
        raise EnvironmentRefused(
            "there is not enough memory to sort a segment of the archives",
            expected=f"{size(length)} for the segment",
            found=error.strerror,
            remedy=f"take smaller ones, of {max(1, length // 4)} bytes, say, with --segment-size,"
            " or read the archives directly with --read-order shard",
        ) from error


def _read(
    layout: SegmentLayout,
    start: int,
    segment: memoryview,
    root: Location,
    progress: Callable[[int], None],
) -> None:
    """Read archives from a position on, one large piece behind the other."""
    for part in layout.ranges(start, start + len(segment)):
        place = storage.on_this_machine(root) / part.archive
        with storage.RangeReader(place) as reader:
            for done in range(0, part.length, STEP):
                size = min(STEP, part.length - done)
                first = part.place + done
                count = reader.read_into(segment[first : first + size], part.offset + done)
                if count != size:
                    raise ArchiveRefused(
                        "the file ends before an image that it should hold",
                        file=str(place),
                        expected=f"{size} bytes at offset {part.offset + done}",
                        found=f"{count} bytes",
                        remedy="the file changed after it was verified: get it again",
                    )
                progress(first + size)


class _Images:
    """The images of a segment in memory, each compared with what it was when it was verified."""

    def __init__(
        self,
        images: SegmentImages,
        segment: memoryview,
        start: int,
        root: Location,
        members: KnownContents,
    ) -> None:
        rows = images.rows
        self._segment = segment
        self._firsts = (images.positions - start).tolist()
        self._keys = rows.column("key")
        self._sources = storage.open_sources(root)
        names, offsets = rows.column("source").to_pylist(), rows.column("offset").to_pylist()
        lengths = images.lengths.tolist()
        self._places = list(zip(names, offsets, lengths, strict=True))
        self._known = members.at(names, offsets)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sources.close()

    def __getitem__(self, number: int) -> bytes | memoryview:
        """Return an image; one that differs is read once more from where it is stored."""
        first, where, known = self._firsts[number], self._places[number], self._known[number]
        data: bytes | memoryview = self._segment[first : first + where[2]]
        if known is not None and xxhash.xxh3_128_digest(data) != known:
            self._sources.not_cached(*where)
            data = bytes(self._sources.read(*where))
            key, content = str(self._keys[number]), xxhash.xxh3_128_digest(data)
            check_member(self._sources, key, where, content, known)
        return data


def _write(
    staged: storage.StagedFile, shards: int, numbers: NDArray[np.int64], images: _Images
) -> bytes:
    """Write images shard by shard; return their index. `numbers` are those of their shards."""
    index = np.zeros(shards, INDEX)
    bounds = np.searchsorted(numbers, np.arange(shards + 1)).tolist()
    for shard in range(shards):
        index[shard]["start"] = staged.size
        content = xxhash.xxh3_128()
        for first in range(bounds[shard], bounds[shard + 1], _AT_ONCE):
            some = [images[n] for n in range(first, min(first + _AT_ONCE, bounds[shard + 1]))]
            for image in some:
                content.update(image)
            staged.write(*some)
        index[shard]["xxh3_128"] = np.void(content.digest())
    return index.tobytes()
