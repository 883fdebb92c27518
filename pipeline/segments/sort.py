"""Sorts a segment of archives: reads it once, front to back, and writes its images by shard.

The segment is held in memory once: images are written from where they were read to.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from pipeline import storage
from pipeline.errors import ArchiveRefused, EnvironmentRefused
from pipeline.quantities import size
from pipeline.segments.layout import INDEX, SegmentLayout
from pipeline.segments.rows import UNKNOWN, bounds
from pipeline.shards.read import check_member
from pipeline.storage import Location
from pipeline.storage.closing import Closing

STEP: Final = 1 << 23
"""Bytes that are read at once."""
_AT_ONCE: Final = 256  # images that one call writes; the system takes 1,024


@dataclass(frozen=True, eq=False)
class SegmentImages:
    """The n images that begin in a segment, in the order of the plan.

    Attributes:
        layout: of the split.
        rows: (n,) of `rows.ROW`.
        keys: returns the keys of all images of a shard, in order, for errors.
    """

    layout: SegmentLayout
    rows: NDArray[np.void]
    keys: Callable[[int], Sequence[str]]

    def key(self, number: int) -> str:
        """Return the key of an image, by its number from 0."""
        return self.keys(int(self.rows[number]["shard"]))[int(self.rows[number]["place"])]


def sort_segment(
    staged: storage.StagedFile,
    images: SegmentImages,
    root: Location,
    progress: Callable[[int], None],
) -> bytes:
    """Write the images of a segment in the order of the plan, and their index; return that.

    Args:
        staged: takes the sorted segment.
        images: of the segment; they are compared with what they were, as far as that is known.
        root: folder of the archives, on this machine.
        progress: called with the bytes read so far.

    Raises:
        ArchiveRefused: an archive ends before an image does.
        MemberDiffers: an image is not what it was when its archive was verified.
        EnvironmentRefused: there is not enough memory for the segment.
    """
    start, stop = bounds(images.rows)
    with _memory(stop - start) as held, memoryview(held) as segment:
        _read(images.layout, start, segment[: stop - start], root, progress)
        with _Images(images, segment, start, root) as content:
            index = _write(staged, images.layout.shards, images.rows["shard"], content)
    staged.write(index)
    return index


@contextlib.contextmanager
def _memory(length: int) -> Iterator[mmap.mmap]:
    """Give memory of so many bytes, or of one."""
    held = _mapped(length)
    try:
        yield held
    finally:
        with contextlib.suppress(BufferError):  # an error under way refers to images in it
            held.close()


def _mapped(length: int) -> mmap.mmap:
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
                length = min(STEP, part.length - done)
                first = part.place + done
                count = reader.read_into(segment[first : first + length], part.offset + done)
                if count != length:
                    raise ArchiveRefused(
                        "the file ends before an image that it should hold",
                        file=str(place),
                        expected=f"{length} bytes at offset {part.offset + done}",
                        found=f"{count} bytes",
                        remedy="the file changed after it was verified: get it again",
                    )
                progress(first + length)


class _Images(Closing):
    """The images of a segment in memory, each compared with what it was when it was verified."""

    def __init__(
        self, images: SegmentImages, segment: memoryview, start: int, root: Location
    ) -> None:
        self._images = images
        self._segment = segment
        firsts = images.rows["position"] - start
        self._places = list(zip(firsts.tolist(), images.rows["length"].tolist(), strict=True))
        self._known = images.rows["xxh3_128"].tolist()
        self._sources = storage.open_sources(root)

    def close(self) -> None:
        """Close the files that images were read from again."""
        self._sources.close()

    def __getitem__(self, number: int) -> bytes | memoryview:
        """Return an image; one that differs is read once more from where it is stored."""
        (first, length), known = self._places[number], self._known[number]
        data = self._segment[first : first + length]
        if known != UNKNOWN and xxhash.xxh3_128_digest(data) != known:
            return self._read_again(number, known)
        return data

    def _read_again(self, number: int, known: bytes) -> bytes:
        """Return an image as it is where it is stored.

        Raises:
            MemberDiffers: that is not what it was, either.
        """
        row = self._images.rows[number]
        where = *self._images.layout.place(int(row["position"])), int(row["length"])
        self._sources.not_cached(*where)
        data = bytes(self._sources.read(*where))
        if (content := xxhash.xxh3_128_digest(data)) != known:
            check_member(self._sources, self._images.key(number), where, content, known)
        return data


def _write(
    staged: storage.StagedFile, shards: int, numbers: NDArray[np.int64], images: _Images
) -> bytes:
    """Write images shard by shard; return their index. `numbers` are those of their shards."""
    index = np.zeros(shards, INDEX)
    firsts = np.searchsorted(numbers, np.arange(shards + 1)).tolist()
    for shard in range(shards):
        index[shard]["start"] = staged.size
        content = xxhash.xxh3_128()
        for first in range(firsts[shard], firsts[shard + 1], _AT_ONCE):
            some = [images[n] for n in range(first, min(first + _AT_ONCE, firsts[shard + 1]))]
            for image in some:
                content.update(image)
            staged.write(*some)
        index[shard]["xxh3_128"] = np.void(content.digest())
    return index.tobytes()
