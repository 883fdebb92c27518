"""Measures whole preparations in a store: ``python -m benchmarks.remote_jobs``.

An archive lies in SeaweedFS on this machine, which shares its processors with the clients, and the
shards go there. With ``--stage`` the command stands beside boto3, which copies the same bytes to
this host and back; without, images are read by ranges, also from a store that answers late. What
the second command on a finished output takes is measured, too, and the memory of the workers.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from benchmarks import corpus as corpora
from benchmarks import measure, remote_servers, report
from benchmarks.corpus import ROOT, Corpus
from benchmarks.delays import delayed
from benchmarks.remote import BUCKET, PREFIX, upload
from benchmarks.report import Aim, Memory, Series, Spread

_IMAGES: Final = 9_300  # 1 GB
_FAR_IMAGES: Final = 1_500
_WORKERS, _IN_FLIGHT, _LATENCY_S = 2, 8, 0.3
_FASTEST: Final = _WORKERS * _IN_FLIGHT / _LATENCY_S  # images a second that latency allows
_STAGED, _COPY = "shardmill: S3 to S3, --stage", "boto3: the same bytes down and up"
_AGAIN, _FAR = "shardmill: the same command again", "shardmill: shards, 300 ms to each answer"


@dataclass
class Bench:
    """The runs of all programs on one archive.

    Attributes:
        corpus: its images.
        disk: folder for copies.
        store: endpoint of the store that has it.
        series: what was measured, by name.
    """

    corpus: Corpus
    disk: Path
    store: str
    series: dict[str, Series] = field(default_factory=dict)

    def round(self, number: int) -> None:
        """Measure everything once, from another beginning each time."""
        runs: list[Callable[[int], None]] = [self.staged, self.copy]
        first = number % len(runs)
        for run in runs[first:] + runs[:first]:
            run(number)

    def staged(self, number: int) -> None:
        """Measure a preparation whose archive is copied first, and the same command once more."""
        stage = self.disk / "stage"
        command = self._command(self.store, f"staged-{number}", "--stage", str(stage))
        for name in (_STAGED, _AGAIN):
            usage = measure.run(command, ROOT)
            self._add(name, usage.wall_s, usage.cpu_s, usage.wall_s)
        shutil.rmtree(stage)

    def copy(self, number: int) -> None:
        """Measure boto3's copy of the archive to this host and back."""
        file = self.disk / "boto3"
        words = [self.store, BUCKET, f"{PREFIX}/{self.corpus.archive.name}", str(file)]
        program = str(Path(__file__).with_name("peer_boto3.py"))
        usage = measure.run([sys.executable, program, *words, f"copy-{number}"], ROOT)
        self._add(_COPY, json.loads(usage.output)["seconds"], usage.cpu_s, usage.wall_s)
        file.unlink()

    def far(self, endpoint: str) -> None:
        """Measure the shards of images that are read by ranges from a store that is far away."""
        out = self.disk / "far"
        words = ("--stage", "none", "--in-flight", str(_IN_FLIGHT), "--shards", "train=8")
        usage = measure.run(self._command(endpoint, str(out), *words), ROOT)
        self._add(_FAR, measure.steps(out)["shards"], usage.cpu_s, usage.wall_s)
        shutil.rmtree(out)

    def memory(self) -> Memory:
        """Return what the processes held that read by ranges and write to the store."""
        command = self._command(self.store, "ranges", "--stage", "none")
        return Memory("S3 to S3 by ranges", measure.peaks(command, ROOT))

    def _command(self, endpoint: str, out: str, *words: str) -> list[str]:
        config, raw = str(self.corpus.config), f"s3://{BUCKET}/{PREFIX}"
        return [
            *(sys.executable, "-m", "tasks.cli", "imagenet", "--config", config, "--raw", raw),
            *("--s3-endpoint", endpoint, "--no-boxes", "--workers", str(_WORKERS), *words),
            *("--out", out if "/" in out else f"s3://{BUCKET}/{out}"),
        ]

    def _add(self, name: str, seconds: float, cpu_s: float, wall_s: float) -> None:
        volume = self.corpus.bytes / 1e9
        line = self.series.setdefault(name, Series(name, volume, "GB"))
        line.add(seconds, cpu_s, wall_s)
        print(f"{name}: {seconds:.3f} s, {cpu_s:.2f} s of processor", file=sys.stderr)


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    program = remote_servers.find("weed")
    if program is None:
        print("weed is not installed (see make remote): nothing is measured")
        return
    with contextlib.ExitStack() as stack:
        disk, _ram = stack.enter_context(corpora.work_folders())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        endpoint = stack.enter_context(remote_servers.seaweedfs(program, folder))
        near, far = (_made(disk / name, count) for name, count in _sizes(options))
        upload(endpoint, near)
        bench = Bench(near, disk, endpoint)
        for number in range(options.rounds + 1):
            bench.round(number)
            if not number:
                bench.series.clear()  # the first round warms up
        memory = [bench.memory()]
        upload(endpoint, far)
        distant = Bench(far, disk, endpoint, bench.series)
        port = stack.enter_context(delayed(urlsplit(endpoint).port or 80, _LATENCY_S))
        distant.far(f"http://127.0.0.1:{port}")
        series = list(bench.series.values())
        aims = _aims(bench.series, far.images, memory[0])
        report.write(options.output, report.document(near, series, aims, memory))
        size = near.bytes / 1e9
    print(
        f"an archive of {size:.2f} GB; {options.rounds} rounds; load {os.getloadavg()[0]:.1f};"
        f" median [lowest-highest]\n\n{report.render(series, aims, memory)}\n\n{options.output}"
    )


def _sizes(options: argparse.Namespace) -> tuple[tuple[str, int], tuple[str, int]]:
    return ("near", options.images), ("far", options.far_images)


def _made(folder: Path, images: int) -> Corpus:
    folder.mkdir()
    return corpora.make(folder, images)


def _aims(by: dict[str, Series], far_images: int, memory: Memory) -> list[Aim]:
    """Return what is aimed at, and what came of it."""
    staged, copy = by[_STAGED], by[_COPY]
    ratios = [own / other for own, other in zip(staged.wall_s, copy.seconds, strict=True)]
    rates = [far_images / seconds for seconds in by[_FAR].seconds]
    return [
        Aim("S3 to S3 with --stage: time beside boto3", 1.5, Spread.of(ratios), most=True),
        Aim("the same command again, s", 2.0, Spread.of(by[_AGAIN].wall_s), most=True),
        Aim("300 ms to each answer: images/s", 0.7 * _FASTEST, Spread.of(rates)),
        Aim("memory of a worker, MB", 100, Spread.of([memory.highest(1)]), most=True),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=_IMAGES, help="a multiple of 100")
    parser.add_argument("--far-images", type=int, default=_FAR_IMAGES, help="a multiple of 100")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "remote_jobs.json")
    options = parser.parse_args()
    corpora.check_counts(parser, options.rounds, options.images, options.far_images)
    return options


if __name__ == "__main__":
    main()
