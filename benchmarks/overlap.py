"""Measures a command that verifies beside the shards: ``python -m benchmarks.overlap``.

Two workers, an archive in the page cache, the output in memory. In every round, in turn: the whole
command in both orders of ``--verify``, its archive verified alone (``--until verify``), and its
shards alone: what is left of the command when the archive is verified. What overlaps can take no
less than the longer of the last two.
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
from benchmarks.report import Aim, Series, Spread

_WANTED = 1.1  # times the longer of MD5 and shards, beside a second for all that is neither
_BESIDES_S = 1.0
_ORDERS = ("before", "beside")
_MD5, _SHARDS = "MD5 alone", "shards alone"


def _command(corpus: Corpus, out: Path, *words: str) -> list[str]:
    program = [sys.executable, "-m", "tasks.cli", "imagenet", "--raw", str(corpus.raw)]
    where = ["--config", str(corpus.config), "--out", str(out), "--format", "tfrecord"]
    return [*program, *where, "--workers", "2", *words]


def _hashes(out: Path) -> dict[str, str]:
    current = out / "tfrecord" / "train" / "current"
    return {path.name: corpora.md5(path) for path in sorted(current.iterdir()) if path.is_file()}


def _whole(corpus: Corpus, ram: Path, order: str, series: Series) -> dict[str, str]:
    """Run the command from nothing; return the hashes of what it gives."""
    out = ram / "out"
    usage = measure.run(_command(corpus, out, "--verify", order), ROOT)
    series.add(usage.wall_s, usage.cpu_s, usage.wall_s)
    found = _hashes(out)
    shutil.rmtree(out)
    return found


def _alone(corpus: Corpus, ram: Path, md5: Series, shards: Series) -> dict[str, str]:
    """Run the command in two steps; return the hashes of what it gives."""
    out = ram / "out"
    usage = measure.run(_command(corpus, out, "--until", "verify"), ROOT)
    md5.add(usage.wall_s, usage.cpu_s, usage.wall_s)
    usage = measure.run(_command(corpus, out), ROOT)
    shards.add(usage.wall_s, usage.cpu_s, usage.wall_s)
    found = _hashes(out)
    shutil.rmtree(out)
    return found


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    with corpora.work_folders() as (disk, ram):
        corpus = corpora.make(disk, options.images)
        corpora.md5(corpus.archive)  # it is in the page cache
        names = (*_ORDERS, _MD5, _SHARDS)
        series = {name: Series(name, corpus.bytes / 1e9, "GB") for name in names}
        given = []
        for number in range(options.rounds):
            orders = _ORDERS if number % 2 else _ORDERS[::-1]
            given += [_whole(corpus, ram, order, series[order]) for order in orders]
            given.append(_alone(corpus, ram, series[_MD5], series[_SHARDS]))
        assert all(each == given[0] for each in given), "the outputs differ"
        aims = [
            Aim("beside, of the longer of MD5 and shards, less 1 s", _WANTED, _ratio(series), True),
            Aim("beside, times the speed of before", None, _faster(series)),
        ]
        print(
            f"{corpus.summary}; {options.rounds} rounds; load {os.getloadavg()[0]:.1f}; median "
            f"[lowest-highest]\n\n{report.render(list(series.values()), aims, [])}"
        )
        found = report.document(corpus, list(series.values()), aims, [])
        report.write(options.output, found)


def _ratio(series: dict[str, Series]) -> Spread:
    alone = zip(series[_MD5].seconds, series[_SHARDS].seconds, strict=True)
    floors = map(max, alone)
    whole = series["beside"].seconds
    return Spread.of([(s - _BESIDES_S) / floor for s, floor in zip(whole, floors, strict=True)])


def _faster(series: dict[str, Series]) -> Spread:
    return series["beside"].faster_than(series["before"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=10_000, help="a multiple of 100")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-overlap.json")
    options = parser.parse_args()
    corpora.check_counts(parser, options.rounds, options.images)
    return options


if __name__ == "__main__":
    main()
