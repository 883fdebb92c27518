"""The rows of a plan by the segments that their images begin in: found once for all segments.

The file is written in one pass through the plan. So many rows at a time, a run, are sorted by
segment and appended; within a segment they stay in the order of the plan. Behind the runs stands an
index, `RUN` for each run of the first segment, then of the second, and so on. So a segment reads
its own rows, a piece of each run, and nothing else of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from pipeline import storage
from pipeline.archives.member_hashes import SIZE, KnownContents
from pipeline.errors import OutputDamaged
from pipeline.segments.layout import SegmentLayout
from pipeline.storage import Location

ROW: Final = np.dtype(
    [
        ("position", "<i8"),
        ("length", "<i8"),
        ("shard", "<i4"),
        ("place", "<i4"),
        ("xxh3_128", f"V{SIZE}"),
    ]
)
"""An image: where it begins (see `SegmentLayout.positions`) and how long it is, in bytes; its shard
and its row there, from 0; its hash when its archive was verified, or zeros where none is kept."""
RUN: Final = np.dtype([("start", "<i8"), ("rows", "<i8"), ("xxh3_128", "V16")])
"""What a segment has of a run: the first of its rows in the file, how many, and a hash of them."""

_AT_ONCE: Final = 1 << 18
"""Rows of a run: they and their copy in order take 21 MB, and 13 million images have 50 runs."""
UNKNOWN: Final = bytes(SIZE)
"""Stands for a hash that is not kept."""


@dataclass(frozen=True)
class WrittenRows:
    """What was written.

    Attributes:
        images: rows.
        runs: how often so many of them were sorted.
    """

    images: int
    runs: int


def write_rows(
    staged: storage.StagedFile,
    layout: SegmentLayout,
    plan: Iterable[pa.RecordBatch],
    members: KnownContents,
    progress: Callable[[int], None] = lambda _: None,
    at_once: int = _AT_ONCE,
) -> WrittenRows:
    """Write the rows of a plan by segment; equal ones give equal bytes.

    Args:
        staged: takes the file.
        layout: of the split.
        plan: the rows of each shard, in order.
        members: what the images were when their archives were verified.
        progress: called with the rows read so far.
        at_once: rows that are held, and sorted, at a time.
    """
    index, images = list[NDArray[np.void]](), 0
    for unsorted in _runs(_in_segments(layout, plan, members, progress), at_once):
        numbers = layout.numbers(unsorted["position"])
        rows = unsorted[np.argsort(numbers, kind="stable")]
        counts = np.bincount(numbers, minlength=layout.segments)
        run = np.zeros(layout.segments, RUN)
        run["start"], run["rows"] = images + np.cumsum(counts) - counts, counts
        for segment in range(layout.segments):
            first = int(run[segment]["start"]) - images
            content = rows[first : first + int(counts[segment])].view(np.uint8).data
            run[segment]["xxh3_128"] = np.void(xxhash.xxh3_128_digest(content))
        staged.write(rows.view(np.uint8).data)
        index.append(run)
        images += len(rows)
    if index:
        staged.write(np.stack(index, axis=1).tobytes())
    return WrittenRows(images, len(index))


def read_rows(path: Location, written: WrittenRows, segment: int) -> NDArray[np.void]:
    """Return the rows of the images that begin in a segment, in the order of the plan.

    Args:
        path: a file that `write_rows` wrote.
        written: what it returned.
        segment: number of the segment, from 0.

    Returns:
        (n,) of `ROW`.

    Raises:
        OutputDamaged: they are not as they were written.
        Vanished: there is no file.
    """
    with storage.open_ranges(path) as reader:
        at = written.images * ROW.itemsize + segment * written.runs * RUN.itemsize
        wanted = written.runs * RUN.itemsize
        if at + wanted > reader.info.size:
            raise _damaged(path, segment)
        content = bytes(reader.read(at, wanted))
        pieces = [_piece(reader, path, run, segment) for run in np.frombuffer(content, RUN)]
    return np.concatenate([np.zeros(0, ROW), *pieces])


def bounds(rows: NDArray[np.void]) -> tuple[int, int]:
    """Return where the first of some images begins and the last one ends, in bytes.

    Both are 0 if there is none.

    Args:
        rows: (n,) of `ROW`.
    """
    if not len(rows):
        return 0, 0
    return int(rows["position"].min()), int((rows["position"] + rows["length"]).max())


def _piece(reader: storage.Ranges, path: Location, run: np.void, segment: int) -> NDArray[np.void]:
    """Return what a segment has of a run."""
    start, count = int(run["start"]), int(run["rows"])
    most = reader.info.size // ROW.itemsize
    if not 0 <= start <= start + count <= most:
        raise _damaged(path, segment)
    content = bytes(reader.read(start * ROW.itemsize, count * ROW.itemsize))
    if xxhash.xxh3_128_digest(content) != run["xxh3_128"].tobytes():
        raise _damaged(path, segment)
    return np.frombuffer(content, ROW)


def _in_segments(
    layout: SegmentLayout,
    plan: Iterable[pa.RecordBatch],
    members: KnownContents,
    progress: Callable[[int], None],
) -> Iterator[NDArray[np.void]]:
    """Yield the rows of the images of each shard that begin in a segment, in order."""
    done = 0
    for shard, batch in enumerate(plan):
        positions = layout.positions(batch)
        numbers = layout.numbers(positions)
        chosen = np.flatnonzero((numbers >= 0) & (numbers < layout.segments))
        rows = np.zeros(len(chosen), ROW)
        rows["position"], rows["shard"], rows["place"] = positions[chosen], shard, chosen
        rows["length"] = batch.column("length").to_numpy()[chosen]
        places = batch.select(["source", "offset"]).take(pa.array(chosen))
        known = members.at(*(column.to_pylist() for column in places.columns))
        rows["xxh3_128"] = np.frombuffer(b"".join(each or UNKNOWN for each in known), f"V{SIZE}")
        yield rows
        done += batch.num_rows
        progress(done)


def _runs(of_shards: Iterable[NDArray[np.void]], at_once: int) -> Iterator[NDArray[np.void]]:
    """Yield the same rows, so many at a time; what was yielded is written over by the next."""
    held, count = np.zeros(at_once, ROW), 0
    for rows in of_shards:
        done = 0
        while done < len(rows):
            taken = rows[done : done + at_once - count]
            held[count : count + len(taken)] = taken
            count, done = count + len(taken), done + len(taken)
            if count == at_once:
                yield held
                count = 0
    if count:
        yield held[:count]


def _damaged(path: Location, segment: int) -> OutputDamaged:
    return OutputDamaged(
        "the rows of the segments of archives are not as they were written",
        file=str(path),
        place=f"those of segment {segment}",
        remedy="remove the file and run the same command again: it is made anew",
    )
