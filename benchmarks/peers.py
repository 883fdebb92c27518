"""Measures shardmill beside what it replaces: ``python -m benchmarks.peers``.

Everything is measured in one run, interleaved round by round, so that a noisy machine is noisy
for all. Times of ours are the program's own, a step from its first task's start to its last
one's end; the peers' are without their imports.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import corpus as corpora
from benchmarks import measure, report
from benchmarks.corpus import ROOT, SHARDS, Corpus
from benchmarks.measure import Usage
from benchmarks.report import Aim, Memory, Series, Spread
from pipeline import paths

WORKERS = 2
_IMAGES_PER_SHARD = 1250  # of ILSVRC2012's 1,024 training shards
_ANNOTATED = 0.425  # of ILSVRC2012's training images: 544,546 of 1,281,167
_VENV = ROOT / ".venv-peers"
_HERE = Path(__file__).resolve().parent
_REQUIREMENTS = _HERE / "requirements-peers.txt"
_INCEPTION = f"Inception's recipe, {WORKERS} processes"


@dataclass
class Bench:
    """The runs of all programs on one corpus.

    Attributes:
        corpus: what is read, on disk, in the page cache unless it is evicted.
        boxes_config: the configuration that names its annotations too.
        ram: folder for outputs that cost no disk.
        disk: folder for outputs on the corpus's own disk.
    """

    corpus: Corpus
    boxes_config: Path
    ram: Path
    disk: Path
    series: dict[str, Series] = field(default_factory=dict)

    def warm(self, number: int) -> None:
        """Measure a round with everything in the page cache, outputs in memory."""
        runs: list[Callable[[], None]] = [
            self.md5sum,
            self.ours,
            self.tfds,
            self.webdataset,
            self.inception,
            self.ours_large,
        ]
        first = number % len(runs)
        for run in runs[first:] + runs[:first]:
            run()

    def md5sum(self) -> None:
        """Measure what any verification costs at the least."""
        usage = measure.run(["md5sum", str(self.corpus.archive)], ROOT)
        self._add("md5sum of the archive", usage.wall_s, usage, "GB")

    def ours(self) -> None:
        """Measure the whole command into an empty folder, and its two heavy steps."""
        out = self.ram / "ours"
        usage = measure.run(self.command(out), ROOT)
        steps = measure.steps(out)
        self._add("shardmill: verify and index", steps["verify"], usage, "GB")
        self._add("shardmill: shards", steps["shards"], usage, "images")
        self._add("shardmill: the whole command", usage.wall_s, usage, "images")
        shutil.rmtree(out)

    def ours_large(self) -> None:
        """Measure the shard stage with shards as large as ILSVRC2012's, eight times fewer."""
        out = self.ram / "large"
        shards = max(WORKERS, self.corpus.images // _IMAGES_PER_SHARD)
        usage = measure.run(self.command(out, shards), ROOT)
        self._add("shardmill: shards of full size", measure.steps(out)["shards"], usage, "images")
        shutil.rmtree(out)

    def tfds(self) -> None:
        """Measure TensorFlow Datasets."""
        self._peer("tensorflow-datasets, 1 process", self.tfds_command(self.ram / "tfds"))
        shutil.rmtree(self.ram / "tfds")

    def webdataset(self) -> None:
        """Measure webdataset."""
        out = self.ram / "webdataset"
        self._peer(f"webdataset, {WORKERS} processes", self.webdataset_command(out))
        shutil.rmtree(out)

    def inception(self) -> None:
        """Measure the recipe of Inception's scripts, which decodes every image."""
        out = self.ram / "inception"
        self._peer(_INCEPTION, self.inception_command(out))
        shutil.rmtree(out)

    def cold(self, number: int) -> None:
        """Measure a round on one disk, the archive read from it, the output synced to it."""
        runs = [self.copy, self.ours_cold]
        for run in runs if number % 2 else reversed(runs):
            _evict(self.corpus.archive)
            run()
            os.sync()

    def copy(self) -> None:
        """Measure what any program costs that reads all and writes all."""
        copy = self.disk / "copy"
        script = 'cp "$1" "$2" && sync "$2"'
        usage = measure.run(["sh", "-c", script, "sh", str(self.corpus.archive), str(copy)], ROOT)
        self._add("cp and sync, cold", usage.wall_s, usage, "GB")
        copy.unlink()

    def ours_cold(self) -> None:
        """Measure the shard stage, and leave the archive verified for the next time."""
        out = self.disk / "ours"
        usage = measure.run(self.command(out), ROOT)
        self._add("shardmill: shards, cold", measure.steps(out)["shards"], usage, "GB")
        _forget_shards(out)

    def memory(self) -> list[Memory]:
        """Measure memory, in runs of their own: sampling costs processor time."""
        runs = {
            "shardmill: command, Luigi, task": self.command(self.ram / "ours"),
            "tensorflow-datasets": self.tfds_command(self.ram / "tfds"),
            "webdataset": self.webdataset_command(self.ram / "webdataset"),
        }
        found = [Memory(name, measure.peaks(command, ROOT)) for name, command in runs.items()]
        for folder in ("ours", "tfds", "webdataset"):
            shutil.rmtree(self.ram / folder)
        return found

    def command(self, out: Path, shards: int = SHARDS) -> list[str]:
        """Return our command line."""
        raw, config = str(self.corpus.raw), str(self.boxes_config)
        where = ["--raw", raw, "--config", config, "--out", str(out)]
        command = [sys.executable, "-m", "tasks.cli", "imagenet", *where]
        return [*command, "--workers", str(WORKERS), "--shards", f"train={shards}"]

    def tfds_command(self, out: Path) -> list[str]:
        """Return TensorFlow Datasets' command line."""
        return _peer_command(_HERE / "peer_tfds.py", self.corpus.raw, out)

    def webdataset_command(self, out: Path) -> list[str]:
        """Return webdataset's command line."""
        words = ("-m", "benchmarks.peer_webdataset", self.corpus.tree, out, SHARDS, WORKERS)
        return _peer_command(*words)

    def inception_command(self, out: Path) -> list[str]:
        """Return the command line of Inception's recipe."""
        return _peer_command(_HERE / "peer_inception.py", self.corpus.tree, out, SHARDS, WORKERS)

    def aims(self, memory: list[Memory]) -> list[Aim]:
        """Return what the specification asks for, and what came of it."""
        by = self.series
        shards = by["shardmill: shards"]
        tfds = by["tensorflow-datasets, 1 process"]
        webdataset = by[f"webdataset, {WORKERS} processes"]
        inception = by[_INCEPTION]
        verify, md5sum = by["shardmill: verify and index"], by["md5sum of the archive"]
        cold, copy = by["shardmill: shards, cold"], by["cp and sync, cold"]
        large = by["shardmill: shards of full size"]
        return [
            Aim("shards: times the speed of tensorflow-datasets", 12, shards.faster_than(tfds)),
            Aim("shards of full size: the same", 12, large.faster_than(tfds)),
            Aim("shards: times the speed of webdataset", 5, shards.faster_than(webdataset)),
            Aim("shards of full size: the same", 5, large.faster_than(webdataset)),
            Aim("shards: times the speed of Inception's recipe", 25, shards.faster_than(inception)),
            Aim("shards of full size: the same", 25, large.faster_than(inception)),
            Aim("shards, cold: part of the speed of cp", 0.74, cold.faster_than(copy)),
            Aim("verify: time beside md5sum", 1.05, md5sum.faster_than(verify), most=True),
            Aim("peak USS of a task, MB", 100, Spread.of([memory[0].highest(2)]), most=True),
        ]

    def _peer(self, name: str, command: list[str]) -> None:
        usage = measure.run(command, ROOT)
        said = json.loads(usage.output.splitlines()[-1])
        assert said["images"] == self.corpus.images, f"{name} wrote {said['images']} images"
        self._add(name, said["seconds"], usage, "images")

    def _add(self, name: str, seconds: float, usage: Usage, unit: str) -> None:
        volume = self.corpus.images if unit == "images" else self.corpus.bytes / 1e9
        line = self.series.setdefault(name, Series(name, volume, unit))
        line.add(seconds, usage.cpu_s, usage.wall_s)
        print(f"{name}: {seconds:.3f} s, {volume / seconds:,.2f} {unit}/s", file=sys.stderr)


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    _install_peers()
    with corpora.work_folders() as (disk, ram):
        corpus = corpora.make(disk, options.images)
        config = corpora.annotate(corpus, round(_ANNOTATED * corpus.images))
        bench = Bench(corpus, config, ram, disk)
        bench.warm(0)
        bench.cold(0)
        bench.series.clear()  # the first round warms up, and verifies the archive for `cold`
        for number in range(options.rounds):
            bench.warm(number)
        memory = bench.memory()
        for number in range(options.rounds):
            bench.cold(number)
        series, aims = list(bench.series.values()), bench.aims(memory)
        report.write(options.output, report.document(corpus, series, aims, memory))
        print(
            f"{corpus.summary}; {SHARDS} shards, {WORKERS} workers, {options.rounds} rounds; "
            f"median [lowest-highest]\n\n{report.render(series, aims, memory)}\n\n{options.output}"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=10_000, help="a multiple of 100")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="2,000 images, 2 rounds")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.json")
    options = parser.parse_args()
    if options.quick:
        options.images, options.rounds = 2000, 2
    corpora.check_counts(parser, options.rounds, options.images)
    return options


def _install_peers() -> None:
    """Make the peers' environment, unless it is there as the requirements want it."""
    ready = _VENV / ".ready"
    wanted = _REQUIREMENTS.read_text()
    if ready.exists() and ready.read_text() == wanted:
        return
    python = str(_VENV / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", str(_VENV)], check=True)
    install = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*install, "-r", str(_REQUIREMENTS)], check=True)
    ready.write_text(wanted)


def _peer_command(*words: object) -> list[str]:
    return [str(_VENV / "bin" / "python"), *map(str, words)]


def _forget_shards(out: Path) -> None:
    """Leave an output folder as it is when the plan is made and no shard is written."""
    outputs = paths.outputs(out, "tfrecord", "train")
    current = paths.current(out, "tfrecord", "train").resolve()
    shutil.rmtree(paths.shard_marks(out, current.name))
    shutil.rmtree(outputs)


def _evict(path: Path) -> None:
    """Have the kernel forget a file's pages, which are clean: only this file becomes cold."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


if __name__ == "__main__":
    main()
