"""Measures formats beside the writers of their own libraries: ``python -m benchmarks.writers``.

Ours are the times of the step that writes the shards, of a command with two workers whose archive
is verified and whose plan is made; the libraries write the same images, which somebody unpacked for
them, into as many files, without imports. All are measured in every round. Of ArrayRecord, whose
library also writes ours, one process is measured, and its speed counted once for each worker.
Processor time is of the same parts: of ours, what the command takes more than one that has nothing
to do.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import corpus as corpora
from benchmarks import measure, report
from benchmarks.corpus import ROOT, Corpus
from benchmarks.report import Aim, Series, Spread

WORKERS = 2


@dataclass(frozen=True)
class Peer:
    """A library that writes a format, and what is aimed at.

    Attributes:
        format: ours.
        title: what the library's writer is called.
        module: that runs it.
        python: the interpreter that has the library.
        processes: how many write at once.
        wanted: times its speed, if as many processes as workers write.
    """

    format: str
    title: str
    module: str
    python: str
    processes: int
    wanted: float

    @property
    def name(self) -> str:
        """Of what is measured."""
        return f"{self.title}, {self.processes} process{'es' * (self.processes > 1)}"

    def speed(self, ours: Series, theirs: Series) -> Spread:
        """Return how many times the speed of as many processes as workers ours has."""
        found = ours.faster_than(theirs)
        share = self.processes / WORKERS
        return Spread(found.median * share, found.low * share, found.high * share)


def _python(variable: str, environment: str) -> str:
    return os.environ.get(variable, str(ROOT / environment / "bin/python"))


PEERS = (
    Peer(
        *("hf-parquet", "datasets' ParquetWriter", "benchmarks.peer_hf_parquet"),
        *(_python("SHARDMILL_DATASETS_PYTHON", ".venv-datasets"), WORKERS, 3),
    ),
    Peer(
        *("mds", "streaming's MDSWriter", "benchmarks.peer_mds"),
        *(_python("SHARDMILL_MDS_PYTHON", ".venv-mds"), WORKERS, 3),
    ),
    Peer(
        *("arrayrecord", "array_record's ArrayRecordWriter", "benchmarks.peer_arrayrecord"),
        *(sys.executable, 1, 0.9),
    ),
)


@dataclass
class Bench:
    """The runs of all writers on one corpus.

    Attributes:
        corpus: what is read, in the page cache.
        ram: folder for outputs.
        shards: how many files each writes.
    """

    corpus: Corpus
    ram: Path
    shards: int
    series: dict[str, Series] = field(default_factory=dict)

    def round(self, number: int) -> None:
        """Measure every writer once, ours and the library's by turns first."""
        for peer in PEERS:
            runs = [self.ours, self.theirs]
            for run in runs if number % 2 else reversed(runs):
                run(peer)

    def ours(self, peer: Peer) -> None:
        """Measure a command that has only shards to write, and one that has nothing to do.

        The processor time of the shards is what the first has more.
        """
        out = self.ram / "ours"
        shutil.copytree(self.planned, out, symlinks=True)
        usage = measure.run(self.command(out, peer.format), ROOT)
        seconds = measure.steps(out)["shards"]
        idle = measure.run(self.command(out, peer.format), ROOT)
        self._add(f"shardmill: {peer.format}", seconds, usage.cpu_s - idle.cpu_s, usage.wall_s)
        shutil.rmtree(out)

    def command(self, out: Path, name: str) -> list[str]:
        """Return our command line."""
        where = ["--raw", str(self.corpus.raw), "--config", str(self.corpus.config)]
        command = [sys.executable, "-m", "tasks.cli", "imagenet", *where, "--out", str(out)]
        command += ["--verify", "before", "--no-boxes", "--workers", str(WORKERS)]
        return [*command, "--format", name, "--shards", f"train={self.shards}"]

    @property
    def planned(self) -> Path:
        """An output folder in which all is made but the shards."""
        out = self.ram / "planned"
        if not out.exists():
            measure.run([*self.command(out, PEERS[0].format), "--until", "plan"], ROOT)
        return out

    def theirs(self, peer: Peer) -> None:
        """Measure the library."""
        out = self.ram / "theirs"
        words = ("-m", peer.module, self.corpus.tree, out, self.shards, peer.processes)
        usage = measure.run([peer.python, *map(str, words)], ROOT)
        said = json.loads(usage.output.splitlines()[-1])
        assert said["images"] == self.corpus.images, f"{peer.title}: {said['images']} images"
        self._add(peer.name, said["seconds"], said["cpu_s"], usage.wall_s)
        shutil.rmtree(out)

    def aims(self) -> list[Aim]:
        """Return what was aimed at, and what came of it: by the clock, and of processor time."""
        found = list[Aim]()
        for peer in PEERS:
            ours, theirs = self.series[f"shardmill: {peer.format}"], self.series[peer.name]
            beside = f"{peer.format}, times the speed of {peer.title}"
            found += [
                Aim(f"{beside}, {WORKERS} processes", peer.wanted, peer.speed(ours, theirs)),
                Aim(f"{beside}, by processor time", None, ours.cheaper_than(theirs)),
            ]
        return found

    def _add(self, name: str, seconds: float, cpu_s: float, wall_s: float) -> None:
        line = self.series.setdefault(name, Series(name, self.corpus.images, "images"))
        line.add(seconds, cpu_s, wall_s)
        rate = self.corpus.images / seconds
        print(f"{name}: {seconds:.3f} s, {cpu_s:.3f} CPU s, {rate:,.0f} images/s", file=sys.stderr)


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    with corpora.work_folders() as (disk, ram):
        corpus = corpora.make(disk, options.images)
        bench = Bench(corpus, ram, options.shards)
        bench.round(0)
        bench.series.clear()  # the first round warms up
        for number in range(options.rounds):
            bench.round(number)
        series, aims = list(bench.series.values()), bench.aims()
        print(
            f"{corpus.summary}; {options.shards} shards, {WORKERS} workers, "
            f"{options.rounds} rounds; load {os.getloadavg()[0]:.1f}; median [lowest-highest]\n\n"
            f"{report.render(series, aims, ())}"
        )
        report.write(options.output, report.document(corpus, series, aims, []))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=10_000, help="a multiple of 100")
    parser.add_argument("--shards", type=int, default=8, help="of 1,250 images, as ILSVRC2012's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-writers.json")
    options = parser.parse_args()
    corpora.check_counts(parser, options.rounds, options.images)
    return options


if __name__ == "__main__":
    main()
