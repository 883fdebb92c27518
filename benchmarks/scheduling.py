"""Measures commands that share a luigid: ``python -m benchmarks.scheduling``.

Two hosts, which are two names of this machine, write very many shards of tiny images. What counts
is the time in which their workers had no shard at work, from the first shard to the last: what
comes then, one process does. Then a second command joins one that resizes
photographs, when half of the time has passed that it takes alone: each has one process, so that
the first leaves a core to the second. Both begin with shards that are planned.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from benchmarks import corpus as corpora
from benchmarks import measure, remote_servers, report, scale, scale_set
from benchmarks.corpus import ROOT
from benchmarks.report import Aim, Series, Spread
from pipeline import paths, storage
from pipeline.state import progress

_SHARES_S: Final = {1_152: 10.0, 10_000: 20.0}
"""Seconds of Luigi that are aimed at, by the number of shards."""
_REST: Final = 0.6
_HOSTS: Final = ("one", "two")


def _on(host: str, raw: Path, config: Path, out: Path, *more: object) -> list[str]:
    """Return a command of a host that prepares training images."""
    where = ("--raw", raw, "--config", config, "--out", out, "--split", "train", "--no-boxes")
    words = ("imagenet", *where, "--format", "tfrecord", "--workers", 1, *more)
    name = f"{storage.HOST_VARIABLE}={host}"
    return ["env", name, sys.executable, "-m", "tasks.cli", *map(str, words)]


def _luigis_share(raw: scale_set.ScaleSet, out: Path, shards: int, luigid: str) -> Series:
    """Measure two hosts on many shards: seconds are those without a shard at work."""
    words = ("--shards", f"train={shards}")
    measure.run(_on("one", raw.raw, raw.config, out, *words, "--until", "plan"), ROOT)
    before = set(storage.folders(paths.runs(out)))
    at = (*words, "--scheduler-host", luigid)
    start = time.perf_counter()
    with ThreadPoolExecutor(len(_HOSTS)) as pool:
        commands = [_on(host, raw.raw, raw.config, out, *at) for host in _HOSTS]
        usages = list(pool.map(lambda command: measure.run(command, ROOT), commands))
    wall = time.perf_counter() - start
    runs = [run for run in storage.folders(paths.runs(out)) if run not in before]
    timings = [timing for run in runs for timing in progress.timings(out, run)]
    shards_of_all = [timing for timing in timings if timing.step == "shards"]
    series = Series(f"{shards:,} shards, two hosts: Luigi", shards, "shards")
    series.add(scale.idle(shards_of_all), sum(usage.cpu_s for usage in usages), wall)
    return series


def _shares(ram: Path) -> Iterator[tuple[Series, Aim]]:
    """Measure Luigi's share for each number of shards, once."""
    raw = scale_set.make(ram / "tiny", max(_SHARES_S))
    with remote_servers.luigid(_made(ram / "luigid")) as luigid:
        for shards, aim in _SHARES_S.items():
            out = ram / f"out-{shards}"
            series = _luigis_share(raw, out, shards, luigid)
            shutil.rmtree(out)
            name = f"Luigi's share of {shards:,} shards, s"
            yield series, Aim(name, aim, Spread.of(series.seconds), most=True)


def _joining(disk: Path, ram: Path, images: int, rounds: int) -> tuple[list[Series], Aim]:
    """Measure a command alone, and with another that joins it at half time."""
    corpus = corpora.make(disk, images)
    words = ("--shards", "train=64", "--resize", 256)
    planned = ram / "planned"
    measure.run(_on("one", corpus.raw, corpus.config, planned, *words, "--until", "plan"), ROOT)
    alone = Series("alone, one process", images, "images")
    joined = Series("joined at half time by another", images, "images")
    rests = list[float]()
    with remote_servers.luigid(_made(ram / "luigid-joined")) as luigid:
        for number in range(rounds):
            for series in (alone, joined):
                out = ram / f"{series is joined:d}-{number}"
                shutil.copytree(planned, out, symlinks=True)
                first, second = (
                    _on(host, corpus.raw, corpus.config, out, *words, "--scheduler-host", luigid)
                    for host in _HOSTS
                )
                with ThreadPoolExecutor(len(_HOSTS)) as pool:
                    running = pool.submit(measure.run, first, ROOT)
                    if series is joined:
                        time.sleep(alone.wall_s[-1] / 2)
                        pool.submit(measure.run, second, ROOT).result()
                    usage = running.result()
                series.add(usage.wall_s, usage.cpu_s, usage.wall_s)
                shutil.rmtree(out)
            half = alone.wall_s[-1] / 2
            rests.append((joined.wall_s[-1] - half) / half)
    aim = Aim("a second command at half time: the rest takes, times", _REST, Spread.of(rests), True)
    return [alone, joined], aim


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    with corpora.work_folders() as (disk, ram):
        shares = list(_shares(ram))
        joining, rest = _joining(disk, ram, options.images, options.rounds)
        series = [*(each for each, _ in shares), *joining]
        aims = [*(aim for _, aim in shares), rest]
        print(
            f"{options.images:,} photographs are resized; {options.rounds} rounds of that; load"
            f" {os.getloadavg()[0]:.1f}; median [lowest-highest]\n\n"
            f"{report.render(series, aims, [])}"
        )
        met = {aim.name: [aim.measured.median, aim.met] for aim in aims}
        report.write(options.output, {"machine": report.machine(), "aims": met})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=5_000, help="a multiple of 100")
    parser.add_argument("--rounds", type=int, default=3, help="of the command that is joined")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-scheduling.json")
    options = parser.parse_args()
    corpora.check_counts(parser, options.rounds, options.images)
    return options


if __name__ == "__main__":
    main()
