"""Measures one shard of resized images by two processes: ``python -m benchmarks.one_shard``.

What is measured is the step that writes the shard, of a whole command with that many workers. Both
are measured in every round, each round beginning with the other, and compared within it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from benchmarks import corpus as corpora
from benchmarks import measure, report
from benchmarks.corpus import ROOT, Corpus
from benchmarks.report import Aim, Memory, Series

_WANTED = 1.7  # times the speed of one process, on two cores that nobody else uses
_RESIZE = ("--resize", "256", "--quality", "95")


def _command(corpus: Corpus, out: Path, workers: int) -> list[str]:
    program = [sys.executable, "-m", "tasks.cli", "imagelist", str(corpus.tree), "--recursive"]
    where = ["--out", str(out), "--name", "train", "--format", "tfrecord", "--shards", "1"]
    return [*program, *where, *_RESIZE, "--workers", str(workers)]


def _measured(corpus: Corpus, ram: Path, workers: int, series: Series) -> str:
    """Run the command once; return the hash of what the shard holds."""
    out = ram / "out"
    usage = measure.run(_command(corpus, out, workers), ROOT)
    series.add(measure.steps(out)["shards"], usage.cpu_s, usage.wall_s)
    (shard,) = (out / "tfrecord" / "train" / "current").glob("train-00000-of-00001")
    digest = corpora.md5(shard)
    shutil.rmtree(out)
    return digest


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    with corpora.work_folders() as (disk, ram):
        corpus = corpora.make(disk, options.images)
        workers = (1, options.processes)
        series = {each: Series(f"processes: {each}", corpus.images, "images") for each in workers}
        digests = set[str]()
        for number in range(options.rounds):
            for each in workers if number % 2 else workers[::-1]:
                digests.add(_measured(corpus, ram, each, series[each]))
        assert len(digests) == 1, "the shards differ"
        out = ram / "out"
        memory = Memory("task and its helpers", measure.peaks(_command(corpus, out, 2), ROOT))
        ratio = series[options.processes].faster_than(series[1])
        wanted = _WANTED if options.processes == 2 else None
        aims = [Aim(f"{options.processes} processes, times the speed of 1", wanted, ratio)]
        print(
            f"{corpus.summary}; {options.rounds} rounds; load {os.getloadavg()[0]:.1f}; median "
            f"[lowest-highest]\n\n{report.render(list(series.values()), aims, [memory])}"
        )
        found = report.document(corpus, list(series.values()), aims, [memory])
        report.write(options.output, found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=5_000, help="a multiple of 100")
    parser.add_argument("--processes", type=int, default=2, help="compared with one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-one-shard.json")
    options = parser.parse_args()
    corpora.check_counts(parser, options.rounds, options.images)
    return options


if __name__ == "__main__":
    main()
