"""Reads the images of shards from sorted segments, where these are the images of archives.

The images of a shard are one piece of each segment. Before the first of them is read, each piece is
read through, megabytes at a time, and compared with its hash. Image after image is then read in the
order of the shard. The pieces should be in the page cache by then, about as many bytes as a shard
has; nothing holds them there. Where the kernel has dropped one, the disk is read once more: that is
slow, and the image is compared with what it was when its archive was verified, if that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, NoReturn

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from pipeline import manifest, storage
from pipeline.archives import packed_sources
from pipeline.documents.segments import SegmentMark
from pipeline.errors import TransientError, Vanished
from pipeline.segments import places as spelled
from pipeline.segments.layout import INDEX, SegmentLayout
from pipeline.storage import FileInfo, Location
from pipeline.storage.closing import Closing

_STEP: Final = 1 << 20  # bytes that are read at once


@dataclass(frozen=True, eq=False)
class _Place:
    """Where an image lies: the name of a file in the folder of sorted segments, and an offset."""

    number: int
    name: str
    offset: int


class SortedSegments:
    """The sorted segments of a split.

    Args:
        out: the output folder.
        layout: of the split.
    """

    def __init__(self, out: Location, layout: SegmentLayout) -> None:
        self._out = out
        self._layout = layout
        self._indexes: dict[int, NDArray[np.void]] = {}

    def opening(
        self, shard: int, rows: pa.RecordBatch, root: Location
    ) -> Callable[[], ShardSources]:
        """Return what opens the images of a shard, whose pieces are read and compared by then.

        Args:
            shard: its number, from 0.
            rows: its rows of the plan.
            root: folder that the sources of rows are relative to.

        Raises:
            TransientError: a sorted segment is not there, or not as it was written: it is
                forgotten, and made anew.
        """
        places: dict[tuple[str, int], _Place] = {}
        positions = self._layout.positions(rows)
        numbers, lengths = self._layout.numbers(positions), rows.column("length").to_numpy()
        names, offsets = rows.column("source").to_pylist(), rows.column("offset").to_pylist()
        for number in np.unique(numbers[numbers >= 0]).tolist():
            chosen = np.flatnonzero(numbers == number)
            start = self._check_piece(number, shard, int(lengths[chosen].sum()))
            name = spelled.segment(self._out, self._layout.digest, number).name
            for row in chosen.tolist():
                places[names[row], offsets[row]] = _Place(number, name, start)
                start += int(lengths[row])
        return partial(ShardSources, self, root, places)

    @property
    def folder(self) -> Location:
        """The folder of the sorted segments."""
        return spelled.folder(self._out, self._layout.digest)

    def forget(self, number: int, what: str) -> NoReturn:
        """Have a sorted segment be made anew.

        Raises:
            TransientError: always.
        """
        self._indexes.pop(number, None)
        storage.remove(self._out, spelled.mark(self._out, self._layout.digest, number))
        raise TransientError(
            f"{what}; it is made anew",
            file=str(spelled.segment(self._out, self._layout.digest, number)),
            remedy="run the same command again; if that says so again, look at the disk and the"
            " memory of this machine, or read the archives directly with --read-order shard",
        )

    def forget_rows(self) -> None:
        """Have the rows of segments be made anew: they were made without some hashes of images."""
        storage.remove(self._out, spelled.rows_mark(self._out, self._layout.digest))

    def _check_piece(self, number: int, shard: int, length: int) -> int:
        """Read the images of a shard through; return where they begin."""
        place = spelled.segment(self._out, self._layout.digest, number)
        try:
            with storage.open_ranges(place) as reader:
                index = self._index(number, reader)
                start = int(index[shard]["start"])
                content = xxhash.xxh3_128()
                for view in _pieces(reader, start, length):
                    content.update(view)
        except Vanished:
            self.forget(number, "a sorted segment of the archives is gone")
        if content.digest() != index[shard]["xxh3_128"].tobytes():
            self.forget(number, "a sorted segment of the archives is not as it was written")
        return start

    def _index(self, number: int, reader: storage.Ranges) -> NDArray[np.void]:
        """Return (shards,) of `INDEX`, which is read once."""
        index = self._indexes.get(number)
        if index is None:
            mark_path = spelled.mark(self._out, self._layout.digest, number)
            mark = manifest.read_undamaged(mark_path, SegmentMark)
            size = self._layout.index_bytes
            content = bytes(reader.read(max(0, reader.info.size - size), size))
            if mark is None or manifest.hash_bytes(content) != mark.index:
                self.forget(number, "the index of a sorted segment is not as it was written")
            index = self._indexes[number] = np.frombuffer(content, INDEX)
        return index


def _pieces(reader: storage.Ranges, start: int, length: int) -> Iterator[memoryview]:
    """Yield so many bytes of a file, or all up to its end."""
    reader.will_need(start, length)
    done = 0
    while done < length and (view := reader.read(start + done, min(_STEP, length - done))):
        done += len(view)
        yield view


class ShardSources(Closing):
    """Reads the images of one shard from sorted segments, and all else where it lies.

    Args:
        segments: of the split.
        root: folder that names of archives are relative to.
        places: of the images, by archive and offset.
    """

    def __init__(
        self, segments: SortedSegments, root: Location, places: dict[tuple[str, int], _Place]
    ) -> None:
        self._segments = segments
        self._places = places
        self._archives = packed_sources.open_sources(root)
        self._sorted = storage.open_sources(segments.folder)

    @property
    def root(self) -> Location:
        """The folder of the archives."""
        return self._archives.root

    def path(self, source: str) -> Location:
        """Return where an archive lies."""
        return self._archives.path(source)

    def look(self, source: str) -> FileInfo | None:
        """Return size and stamp of an archive; None: it is no regular file."""
        return self._archives.look(source)

    def now(self, source: str) -> FileInfo:
        """Return size and stamp of an archive as they are now."""
        return self._archives.now(source)

    def stamp(self, source: str) -> int:
        """Return the stamp of a source that is a whole file."""
        return self._archives.stamp(source)

    def will_need(self, source: str, offset: int, length: int) -> None:
        """Say that a range will be read soon; those of sorted segments were just read."""
        if (source, offset) not in self._places:
            self._archives.will_need(source, offset, length)

    def not_cached(self, source: str, offset: int, length: int) -> None:
        """Have a range read from where it is stored.

        Raises:
            TransientError: it is an image of a sorted segment, which differs from that of the
                archive: the segment is made anew, and its images are compared there.
        """
        place = self._places.get((source, offset))
        if place is not None:
            what = "an image in a sorted segment is not what it was when its archive was verified"
            self._segments.forget_rows()
            self._segments.forget(place.number, what)
        self._archives.not_cached(source, offset, length)

    def keep_views(self, before_reuse: Callable[[], None]) -> bool:
        """Have each view be valid until `before_reuse` is called, wherever it was read from."""
        return self._archives.keep_views(before_reuse) and self._sorted.keep_views(before_reuse)

    def read(self, source: str, offset: int, length: int) -> memoryview:
        """Return up to `length` bytes of an archive."""
        place = self._places.get((source, offset))
        if place is not None:
            return self._sorted.read(place.name, place.offset, length)
        return self._archives.read(source, offset, length)

    def read_whole(self, source: str, length: int) -> tuple[memoryview, int]:
        """Return the bytes of a source that is a whole file."""
        return self._archives.read_whole(source, length)

    def close(self) -> None:
        """Close every file."""
        self._archives.close()
        self._sorted.close()
