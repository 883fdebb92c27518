"""Reckons a job's time on a spinning disk in both read orders: ``python -m benchmarks.spinning``.

No disk is measured. Shards are written by the program's own code, in both orders, and each read
and write of it is counted by a model of a disk (`benchmarks.disk_model`). The set is smaller than
ILSVRC2012, and has its shape: images of the same size, pieces of a shard in a segment as long as
with 1,024 shards and 69 segments of 2 GiB, as many times more shards than segments, and as small a
memory beside the archive as 16 GB beside 148 GB. That the archive is verified is a sequential read
of it, and counted as such; so is the pass through the plan, and through the
hashes of members, that finds the images of all segments.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from dataclasses import dataclass, replace
from math import sqrt
from pathlib import Path

from benchmarks import corpus as corpora
from benchmarks import measure, report
from benchmarks.corpus import ROOT, Corpus
from benchmarks.disk_model import PAGE, Disk, DiskSpeed, counting
from benchmarks.report import Aim, Spread
from pipeline import paths, storage
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.segments import of_split
from pipeline.segments.make import make_rows, make_segment, planned_rows
from pipeline.shards.work import ShardWork

_ARCHIVE_BYTES, _SHARDS, _SEGMENT_BYTES, _MEMORY = 147_897_477_120, 1024, 1 << 31, 16e9
_SEGMENTS = _ARCHIVE_BYTES / _SEGMENT_BYTES
_PIECE = _ARCHIVE_BYTES / _SHARDS / _SEGMENTS  # bytes
_SPLIT = "train"


@dataclass(frozen=True)
class Counted:
    """What one order of reading came to.

    Attributes:
        disk: seeks and bytes, with those of the verification.
        archive: bytes of the archive.
        shards: bytes of the shards.
    """

    disk: Disk
    archive: int
    shards: int

    def floor(self, speed: DiskSpeed) -> float:
        """Return the seconds of five passes without a seek: verify; sort; gather and write."""
        return (4 * self.archive + self.shards) / speed.rate


def _job(corpus: Corpus, out: Path, order: str) -> Job:
    pieces = corpus.bytes / _PIECE
    shards = round(sqrt(pieces * _SHARDS / _SEGMENTS))
    return Job(
        str(corpus.raw),
        str(out),
        str(corpus.config),
        boxes=False,
        shards=((_SPLIT, shards),),
        read_order=order,
        segment_bytes=round(_PIECE * shards),
    )


def _plan(corpus: Corpus, job: Job) -> None:
    """Have an archive verified, and its shards planned, by a command of its own."""
    ((_, shards),) = job.shards
    program = [sys.executable, "-m", "tasks.cli", "imagenet", "--raw", str(corpus.raw)]
    where = ["--config", str(corpus.config), "--out", job.out, "--no-boxes"]
    options = ["--shards", f"{_SPLIT}={shards}", "--until", "plan"]
    measure.run([*program, *where, *options], ROOT)


def _counted(corpus: Corpus, out: Path, order: str) -> Counted:
    """Write all shards of a set in one order; return what that came to."""
    job = _job(corpus, out, order)
    _plan(corpus, job)
    resolved = resolve(job)
    disk = Disk(memory=int(_MEMORY / _ARCHIVE_BYTES * corpus.bytes))
    info = corpus.archive.stat()
    disk.read((info.st_dev, info.st_ino), 0, -(-corpus.bytes // PAGE) * PAGE)  # it is verified
    _sort(resolved, disk)
    work = ShardWork(resolved, resolved.splits[_SPLIT])
    size = 0
    for shard in range(work.split.shards):
        with counting(disk):
            size += work.make(shard).bytes
    return Counted(disk, corpus.bytes, size)


def _sort(resolved: ResolvedJob, disk: Disk) -> None:
    split = resolved.splits[_SPLIT]
    layout = of_split.sorted_layout(resolved, split)
    plan = storage.on_this_machine(paths.plan(resolved.out, split.name, split.plan_digest))
    if layout is None:
        return
    hashes = (paths.member_hashes(resolved.out, each) for each in layout.archives)
    for table in (*map(storage.on_this_machine, hashes), plan):  # they are mapped: not seen
        info = table.stat()
        disk.read((info.st_dev, info.st_ino), 0, info.st_size)
    with counting(disk):
        make_rows(resolved, split)
    for number in range(layout.segments):
        with counting(disk):
            rows = planned_rows(resolved, split, number)
            make_segment(resolved, split, number, rows, lambda _: None)


def main() -> None:
    """Reckon, print the table, write the JSON."""
    options = _options()
    speeds = {
        "7,200 rpm, 8 ms and half a turn": DiskSpeed(options.seek_ms / 1e3, options.rate * 1e6),
        "8 ms in all": DiskSpeed(8e-3, options.rate * 1e6),
    }
    with corpora.work_folders() as (folder, _):
        corpus = corpora.make(folder, options.images)
        shutil.rmtree(corpus.tree)
        corpus = replace(corpus, tree=folder)
        counted = {}
        for order in ("shard", "archive"):
            out = folder / order
            counted[order] = _counted(corpus, out, order)
            shutil.rmtree(out)
        print(
            f"{corpus.images:,} images, {corpus.bytes / 1e9:.2f} GB, {options.rate} MB/s; a model\n"
        )
        print("| a disk that takes | shard order, s | archive order, s | its floor, s |")
        print("|---|---|---|---|")
        aims = list[Aim]()
        for name, speed in speeds.items():
            shard, archive = (counted[order].disk.seconds(speed) for order in ("shard", "archive"))
            floor = counted["archive"].floor(speed)
            print(f"| {name} | {shard:.1f} | {archive:.1f} | {floor:.1f} |")
            first = not aims
            aims += [
                Aim(f"{name}: of the floor", 1.3, _one(archive / floor), most=True),
                Aim(f"{name}: times as fast", 3 if first else None, _one(shard / archive)),
            ]
        seeks = ", ".join(f"{order} {each.disk.seeks:,}" for order, each in counted.items())
        print(f"\nseeks: {seeks}\n\n{report.render([], aims, [])}")
        report.write(options.output, report.document(corpus, [], aims, []))


def _one(value: float) -> Spread:
    return Spread.of([value])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=6_000, help="a multiple of 100")
    parser.add_argument("--seek-ms", type=float, default=12.2, help="with half a turn of the disk")
    parser.add_argument("--rate", type=float, default=150, help="MB/s")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-spinning.json")
    options = parser.parse_args()
    corpora.check_counts(parser, 1, options.images)
    return options


if __name__ == "__main__":
    main()
