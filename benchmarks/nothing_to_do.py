"""Measures a command from cron that has nothing to do: ``python -m benchmarks.nothing_to_do``.

It is the line of ``config/cron.example``, on a drawn set that it has prepared before. Beside it
stands a new interpreter that imports the program's modules, which no command is quicker than.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks import corpus as corpora
from benchmarks import measure, report
from benchmarks.corpus import ROOT
from benchmarks.report import Aim, Series, Spread

_MOST_S = 2.0
_PROGRAM = (sys.executable, "-m", "tasks.cli")
_IMPORTS = "from tasks.cli import first_pass, part"


def _command(folder: Path) -> list[str]:
    raw, log, metrics = folder / "raw", folder / "a.log", folder / "a.prom"
    where = ["--raw", raw, "--config", raw / "sample.toml", "--out", folder / "out"]
    how = ["--update", "--no-overlap", "--quiet", "--log-file", log, "--metrics-file", metrics]
    return [*_PROGRAM, "imagenet", *map(str, where), *map(str, how), "--keep-runs", "30"]


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as cron has it
    with corpora.work_folders() as (disk, _):
        measure.run([*_PROGRAM, "sample", str(disk / "raw")], ROOT)
        measure.run(_command(disk), ROOT)
        again, imports = Series("nothing to do", 1, "command"), Series("imports", 1, "command")
        for number in range(options.rounds):
            pair = [(again, _command(disk)), (imports, [sys.executable, "-c", _IMPORTS])]
            for series, command in pair if number % 2 else pair[::-1]:
                usage = measure.run(command, ROOT)
                series.add(usage.wall_s, usage.cpu_s, usage.wall_s)
        aims = [
            Aim("nothing to do, s", _MOST_S, Spread.of(again.wall_s), most=True),
            Aim("nothing to do, processor s", None, Spread.of(again.cpu_s)),
            Aim("nothing to do, times the speed of the imports", None, again.faster_than(imports)),
        ]
        print(
            f"{options.rounds} rounds; load {os.getloadavg()[0]:.1f}; median [lowest-highest]\n\n"
            f"{report.render([again, imports], aims, [])}"
        )
        met = {aim.name: [aim.measured.median, aim.met] for aim in aims}
        report.write(options.output, {"machine": report.machine(), "aims": met})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-nothing-to-do.json")
    options = parser.parse_args()
    corpora.check_counts(parser, options.rounds)
    return options


if __name__ == "__main__":
    main()
