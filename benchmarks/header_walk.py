"""Measures how the headers of an archive are read: ``python -m benchmarks.header_walk``.

The archive is sparse: it has headers as one of class tars with images of 110 KB, and nothing
between them. It is walked with its headers in the page cache, with none of them there, and by a
model of a disk that answers each read after a given time, however many are under way; each with one
class tar at a time, as was done once, and with many. A flat tar of as many images is one chain.
"""

from __future__ import annotations

import argparse
import os
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from unittest import mock

from benchmarks import report
from benchmarks.corpus import ROOT
from pipeline.archives import walk
from pipeline.archives.tarheader import BLOCK
from pipeline.storage.local.ranges import RangeReader

_IMAGE_BYTES, _IN_A_CLASS = 110_000, 1300
_END = 2 * BLOCK


@dataclass(frozen=True)
class Walked:
    """A way to walk an archive.

    Attributes:
        archive: which.
        where: where its headers are.
        at_a_time: class tars that are followed at a time.
        seconds: of each round.
        most: reads that were under way at a time.
    """

    archive: str
    where: str
    at_a_time: int
    seconds: tuple[float, ...]
    most: int


class _Modelled:
    """Reads an archive as from a disk that answers after a while, and counts what is under way."""

    def __init__(self, reader: RangeReader, latency_s: float) -> None:
        self._reader = reader
        self._latency_s = latency_s
        self._answers = dict[int, float]()
        self.most = 0

    def will_need(self, offset: int, length: int) -> None:  # noqa: ARG002 - as readers have it
        self._answers[offset] = time.perf_counter() + self._latency_s
        self.most = max(self.most, len(self._answers))

    def read(self, offset: int, length: int) -> memoryview:
        if self._latency_s:
            answer = self._answers.get(offset, time.perf_counter() + self._latency_s)
            time.sleep(max(0.0, answer - time.perf_counter()))
        self._answers.pop(offset, None)
        return self._reader.read(offset, length)

    def read_cached(self, offset: int, length: int) -> memoryview | None:
        return None if self._latency_s else self._reader.read_cached(offset, length)


class _Counted(_Modelled):
    """Reads an archive as it is, and counts likewise."""

    def __init__(self, reader: RangeReader) -> None:
        super().__init__(reader, 0.0)

    def will_need(self, offset: int, length: int) -> None:
        super().will_need(offset, length)
        self._reader.will_need(offset, length)


def _padded(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _draw(path: Path, classes: int, *, nested: bool) -> None:
    """Write the headers of an archive."""
    in_class = _IN_A_CLASS * (BLOCK + _padded(_IMAGE_BYTES))
    with path.open("wb") as file:
        at = 0
        for number in range(classes):
            if nested:
                at = _header(file.fileno(), at, f"n{number:08d}.tar", in_class + _END)
            for image in range(_IN_A_CLASS):
                name = f"n{number:08d}_{image}.JPEG"
                at = _header(file.fileno(), at, name, _IMAGE_BYTES) + _padded(_IMAGE_BYTES)
            at += _END if nested else 0
        os.truncate(file.fileno(), at + _END)
        os.fsync(file.fileno())


def _header(fd: int, at: int, name: str, size: int) -> int:
    """Write a header; return where its data begin."""
    info = tarfile.TarInfo(name)
    info.size = size
    return at + os.pwrite(fd, info.tobuf(tarfile.USTAR_FORMAT), at)


@contextmanager
def _opened(path: Path, where: str, latency_s: float) -> Iterator[_Modelled]:
    with RangeReader(path) as reader:
        reader.expect_scattered()
        if where == "on disk":
            os.posix_fadvise(reader._fd, 0, 0, os.POSIX_FADV_DONTNEED)  # noqa: SLF001
        yield _Modelled(reader, latency_s) if latency_s else _Counted(reader)


def _walk(path: Path, where: str, latency_s: float, at_a_time: int) -> tuple[float, int, int]:
    """Return seconds, members, and the most reads under way."""
    with (
        mock.patch.object(walk, "_AT_A_TIME", at_a_time),
        _opened(path, where, latency_s) as headers,
    ):
        start = time.perf_counter()
        members = sum(map(len, walk.walked_members(str(path), headers)))
        return time.perf_counter() - start, members, headers.most


def main() -> None:
    """Measure, print the table, write the JSON."""
    options = _options()
    (ROOT / "build").mkdir(exist_ok=True)
    wheres = {"in the page cache": 0.0, "on disk": 0.0}
    wheres |= {f"a model, {each:g} ms": each / 1e3 for each in options.latency_ms}
    results = []
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        for name in ("class tars", "flat"):
            path = Path(folder) / f"{name}.tar"
            _draw(path, options.classes, nested=name == "class tars")
            ways = (1, walk._AT_A_TIME) if name == "class tars" else (walk._AT_A_TIME,)  # noqa: SLF001
            for where, latency_s in wheres.items():
                _walk(path, "in the page cache", 0.0, 1)  # so that it is
                rounds = range(1 if latency_s else options.rounds)
                found = [[_walk(path, where, latency_s, way) for way in ways] for _ in rounds]
                for number, way in enumerate(ways):
                    seconds = tuple(each[number][0] for each in found)
                    most = found[0][number][2]
                    results.append(Walked(name, where, way, seconds, most))
            path.unlink()
    print(f"{options.classes * _IN_A_CLASS:,} images; load {os.getloadavg()[0]:.1f}\n")
    print(
        "| archive | headers | tars at a time | s | reads under way at most |\n" + "|---" * 5 + "|"
    )
    for each in results:
        low, high = min(each.seconds), max(each.seconds)
        spread = f"{median(each.seconds):.2f} [{low:.2f}-{high:.2f}]"
        print(f"| {each.archive} | {each.where} | {each.at_a_time} | {spread} | {each.most} |")
    document = {"machine": report.machine(), "walked": [asdict(each) for each in results]}
    report.write(options.output, document)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency-ms", type=float, nargs="*", default=[0.5])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-header-walk.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
