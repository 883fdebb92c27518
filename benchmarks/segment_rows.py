"""Measures how the images of each segment are found: ``python -m benchmarks.segment_rows``.

A plan and a table of member hashes are drawn, of as many images as are asked for, without archives.
A process then finds the images of all segments of 2 GiB in one pass (`segments.rows`), and each
segment reads its own. It is said how long that takes, how many bytes are read of the plan and by
the segments, and what a process holds by itself: pages of mapped files do not count.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pyarrow as pa

from benchmarks import measure, report
from benchmarks.corpus import ROOT
from pipeline import storage
from pipeline.archives.member_hashes import SCHEMA as HASHES
from pipeline.archives.member_hashes import KnownMembers, MemberHashes
from pipeline.catalog import plan
from pipeline.catalog.table import SCHEMA
from pipeline.segments.layout import SegmentLayout
from pipeline.segments.rows import ROW, RUN, read_rows, write_rows

_ARCHIVE = "images.tar"
_IMAGE_BYTES, _SEGMENT_BYTES = 115_000, 1 << 31
_IN_A_SHARD, _BATCH = 1251, 1 << 16


@dataclass(frozen=True)
class Found:
    """What finding the images of all segments came to.

    Attributes:
        images: of the plan.
        segments: how many there are.
        plan_bytes: bytes of the plan.
        rows_bytes: bytes of the rows by segment.
        read_bytes: bytes of these that all segments read together.
        pass_s: seconds of the pass through the plan.
        read_s: seconds until all segments have read their rows.
        peak_bytes: the most that the process held for itself.
    """

    images: int
    segments: int
    plan_bytes: int
    rows_bytes: int
    read_bytes: int
    pass_s: float
    read_s: float
    peak_bytes: int


def _tables(images: int) -> Iterator[pa.Table]:
    """Yield the rows of a plan, whose images lie anywhere in the archive."""
    order = np.random.default_rng(7).permutation(images)
    for first in range(0, images, _BATCH):
        numbers = order[first : first + _BATCH]
        keys = pa.array(
            [f"n{number // 1300:08d}/n{number // 1300:08d}_{number}" for number in numbers]
        )
        columns = {name: pa.nulls(len(numbers), SCHEMA.field(name).type) for name in SCHEMA.names}
        columns |= {"key": keys, "filename": keys}
        columns["source"] = pa.array([_ARCHIVE] * len(numbers))
        columns["offset"] = pa.array(numbers * _IMAGE_BYTES)
        columns["length"] = pa.array(np.full(len(numbers), _IMAGE_BYTES - 512))
        columns["class_index"] = pa.array(numbers // 1300, pa.int32())
        yield pa.table(columns, SCHEMA)


def _draw(folder: Path, images: int) -> None:
    """Write the plan, and the hashes of members."""
    places = [*range(0, images, _IN_A_SHARD), images]
    with storage.StagedFile(folder / "plan") as staged:
        plan.write(staged, _tables(images), places)
        storage.publish(staged)
    with storage.StagedFile(folder / "hashes") as staged:
        with staged.stream() as stream, pa.ipc.new_file(stream, HASHES) as sink:
            for start, stop in pairwise([*range(0, images, _BATCH), images]):
                offsets = pa.array(np.arange(start, stop) * _IMAGE_BYTES)
                content = pa.py_buffer(bytes(16 * (stop - start)))
                hashes = pa.Array.from_buffers(pa.binary(16), stop - start, [None, content])
                sink.write_batch(pa.record_batch([offsets, hashes], HASHES))
        storage.publish(staged)


def _find(folder: Path, images: int) -> None:
    """Find the images of all segments, and print seconds, how many, and bytes."""
    shards = -(-images // _IN_A_SHARD)
    layout = SegmentLayout("0" * 12, (_ARCHIVE,), (images * _IMAGE_BYTES,), _SEGMENT_BYTES, shards)
    members = KnownMembers({_ARCHIVE: MemberHashes(folder / "hashes")})
    start = time.perf_counter()
    with _sampling() as held:
        with storage.StagedFile(folder / "rows") as staged:
            written = write_rows(staged, layout, plan.read(folder / "plan"), members)
            storage.publish(staged)
        passed = time.perf_counter()
        read = sum(
            len(read_rows(folder / "rows", written, number)) * ROW.itemsize
            + written.runs * RUN.itemsize
            for number in range(layout.segments)
        )
    print(passed - start, time.perf_counter() - passed, layout.segments, read, max(held))


@contextmanager
def _sampling() -> Iterator[list[int]]:
    """Note in this context, every 5 ms, how many bytes the process holds that are of no file."""
    held, ended = [0], Event()

    def sample() -> None:
        while not ended.wait(0.005):
            lines = Path("/proc/self/status").read_text().splitlines()
            held.extend(int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon"))

    thread = Thread(target=sample)
    thread.start()
    try:
        yield held
    finally:
        ended.set()
        thread.join()


def _measured(folder: Path, images: int) -> Found:
    _draw(folder, images)
    program = "import sys; from pathlib import Path; from benchmarks import segment_rows as s;"
    program += " s._find(Path(sys.argv[1]), int(sys.argv[2]))"
    command = [sys.executable, "-c", program, str(folder), str(images)]
    pass_s, read_s, segments, read, held = measure.run(command, ROOT).output.split()
    planned, rows = ((folder / name).stat().st_size for name in ("plan", "rows"))
    times = float(pass_s), float(read_s)
    return Found(images, int(segments), planned, rows, int(read), *times, int(held))


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=[1_281_167])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-segment-rows.json")
    options = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    every = []
    for images in options.images:
        with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
            every.append(_measured(Path(folder), images))
    print(f"load {os.getloadavg()[0]:.1f}\n")
    print(
        "| images | segments | plan, MB | rows, MB | read by all, MB"
        " | pass, s | read, s | held, MB |"
    )
    print("|---" * 8 + "|")
    for each in every:
        sizes = (each.plan_bytes, each.rows_bytes, each.read_bytes)
        print(
            f"| {each.images:,} | {each.segments} | "
            + " | ".join(f"{size / report.MB:.0f}" for size in sizes)
            + f" | {each.pass_s:.1f} | {each.read_s:.2f} | {each.peak_bytes / report.MB:.0f} |"
        )
    document = {"machine": report.machine(), "found": [asdict(each) for each in every]}
    report.write(options.output, document)


if __name__ == "__main__":
    main()
