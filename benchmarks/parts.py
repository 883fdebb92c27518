"""Measures shards that Luigi does not hand out: ``python -m benchmarks.parts``.

Four parts of one worker each beside one command with four workers, on an output whose shards are
planned; and, where Dask is installed, a cluster of two workers beside one command with two, from
nothing. Whole processes are measured, imports and all. Of the cluster's workers, which are there
before, processor time is not: only the time that the command takes. Each round measures both, in
turn the one or the other first, and what is compared is a pair of one round.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks import corpus as corpora
from benchmarks import measure, report
from benchmarks.corpus import ROOT, Corpus
from benchmarks.report import Aim, Series, Spread

PARTS = 4
_CPU, _WALL, _CLUSTER = 1.2, 1.3, 1.3
_STARTS_S = 120.0
_HOST = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")


def _command(corpus: Corpus, out: Path, *more: object, python: str = sys.executable) -> list[str]:
    """Return a command that prepares the training images of a corpus."""
    where = ["--raw", corpus.raw, "--config", corpus.config, "--out", out, "--split", "train"]
    how = ["--format", "tfrecord", "--no-boxes", "--shards", "train=64"]
    words = ["imagenet", *where, *how, *more]
    return [python, "-m", "tasks.cli", *map(str, words)]


def _whole(corpus: Corpus, out: Path, series: Series) -> None:
    usage = measure.run(_command(corpus, out, "--workers", PARTS), ROOT)
    series.add(usage.wall_s, usage.cpu_s, usage.wall_s)


def _parts(corpus: Corpus, out: Path, series: Series) -> None:
    commands = [
        _command(corpus, out, "--part", f"{number}/{PARTS}", "--workers", 1)
        for number in range(PARTS)
    ]
    start = time.perf_counter()
    with ThreadPoolExecutor(PARTS) as pool:
        usages = list(pool.map(lambda command: measure.run(command, ROOT), commands))
    wall = time.perf_counter() - start
    series.add(wall, sum(usage.cpu_s for usage in usages), wall)


def _compare_parts(corpus: Corpus, ram: Path, rounds: int) -> tuple[list[Series], list[Aim]]:
    """Measure parts beside a whole command."""
    planned = ram / "planned"
    measure.run(_command(corpus, planned, "--until", "plan", "--workers", 2), ROOT)
    whole = Series("one command, four workers", corpus.images, "images")
    parts = Series("four parts, a worker each", corpus.images, "images")
    both: list[tuple[Callable[[Corpus, Path, Series], None], Series]]
    both = [(_whole, whole), (_parts, parts)]
    for number in range(rounds):
        digests = set[str]()
        for measured, series in both if number % 2 else both[::-1]:
            out = ram / "out"
            shutil.copytree(planned, out, symlinks=True)
            measured(corpus, out, series)
            digests.add(_digest(out))
            shutil.rmtree(out)
        assert len(digests) == 1, "the shards differ"
    cpu = Spread.of([own / other for own, other in zip(parts.cpu_s, whole.cpu_s, strict=True)])
    wall = Spread.of([own / other for own, other in zip(parts.wall_s, whole.wall_s, strict=True)])
    aims = [
        Aim("four parts, times the processor time of one command", _CPU, cpu, most=True),
        Aim("four parts, times the time of one command", _WALL, wall, most=True),
    ]
    return [whole, parts], aims


def _digest(out: Path) -> str:
    """Return a digest of the shards."""
    shards = sorted((out / "tfrecord" / "train" / "current").glob("train-*-of-*"))
    assert len(shards) == 64
    return " ".join(map(corpora.md5, shards[::21]))


@contextmanager
def _cluster(python: str, folder: Path) -> Iterator[str]:
    """Run a Dask scheduler with two workers in this context; yield its address."""
    started: list[subprocess.Popen[bytes]] = []
    folder.mkdir()

    def start(kind: str, pattern: str, *words: str) -> str:
        log = folder / f"{len(started)}.log"
        program = [python, "-m", f"distributed.cli.dask_{kind}", *words, *_HOST]
        with log.open("wb") as file:
            process = subprocess.Popen(program, cwd=ROOT, stdout=file, stderr=file)
        started.append(process)
        deadline = time.monotonic() + _STARTS_S
        while time.monotonic() < deadline and process.poll() is None:
            if found := re.search(pattern, log.read_text()):
                return found[1]
            time.sleep(0.05)
        raise SystemExit(log.read_text())

    try:
        at = start("scheduler", r"Scheduler at: +tcp://([\d.:]+)", "--port", "0")
        how = ("--nthreads", "1", "--no-nanny", "--memory-limit", "0")
        for _ in range(2):
            where = ("--local-directory", str(folder))
            start("worker", r"(Registered to): ", f"tcp://{at}", *how, *where)
        yield f"dask://{at}"
    finally:
        for process in started:
            process.kill()
            process.wait()


def _compare_cluster(
    corpus: Corpus, ram: Path, rounds: int, python: str
) -> tuple[list[Series], list[Aim]]:
    """Measure a cluster beside a command of Luigi alone."""
    here = Series("Luigi, two workers", corpus.images, "images")
    there = Series("Dask, two workers", corpus.images, "images")
    with _cluster(python, ram / "dask") as at:
        both: list[tuple[tuple[object, ...], Series]]
        both = [(("--workers", 2), here), (("--workers", 2, "--cluster", at), there)]
        for number in range(rounds):
            for more, series in both if number % 2 else both[::-1]:
                out = ram / "out"
                usage = measure.run(_command(corpus, out, *more, python=python), ROOT)
                series.add(usage.wall_s, usage.cpu_s, usage.wall_s)
                shutil.rmtree(out)
    wall = Spread.of([own / other for own, other in zip(there.wall_s, here.wall_s, strict=True)])
    return [here, there], [Aim("Dask, times the time of Luigi", _CLUSTER, wall, most=True)]


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    with corpora.work_folders() as (disk, ram):
        corpus = corpora.make(disk, options.images)
        series, aims = _compare_parts(corpus, ram, options.rounds)
        if options.dask:
            more, others = _compare_cluster(corpus, ram, options.rounds, options.dask)
            series, aims = [*series, *more], [*aims, *others]
        else:
            print("Dask is not installed: nothing of it is measured (make interop, or --dask)\n")
        print(
            f"{corpus.summary}; {options.rounds} rounds; load {os.getloadavg()[0]:.1f}; median "
            f"[lowest-highest]\n\n{report.render(series, aims, [])}"
        )
        report.write(options.output, report.document(corpus, series, aims, []))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    interop = ROOT / ".venv-interop" / "bin" / "python"
    parser.add_argument("--images", type=int, default=10_000, help="a multiple of 100")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--dask",
        default=str(interop) if interop.exists() else "",
        help="the Python of an environment with shardmill and Dask; default: that of make interop",
    )
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-parts.json")
    options = parser.parse_args()
    corpora.check_counts(parser, options.rounds, options.images)
    return options


if __name__ == "__main__":
    main()
