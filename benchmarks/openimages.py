"""Ten classes out of a CSV file of masks: ``python -m benchmarks.openimages``.

Beside a pass of `csv.DictReader` for each class, as the manual recipe has it. One such pass is
measured a round and counts ten times: each pass reads the whole file, and their times are alike.
The file is drawn: as many columns and about as many bytes a row as the published one has.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks import measure, report
from benchmarks.corpus import ROOT
from benchmarks.measure import Usage
from benchmarks.report import Aim, Spread

_ROWS = 2_690_000  # as the split train has
_CLASSES = 350  # that have masks
_CHOSEN = 10
_FIRST = 5  # by frequency: those chosen have a sixth of all rows
_ROUNDS = 3
_FASTER = 25
_MOST_MB = 100
_HEADER = "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"
_SELECT = """
import sys
from pathlib import Path
import tasks  # which chooses where Arrow takes its memory from, for every command
from pipeline.sources.openimages.selecting.chosen import Chosen, ChosenClass
from pipeline.sources.openimages.selecting.selecting import select
from pipeline.sources.openimages.selecting.selection import CsvFile, RowOptions, Selection
source, out, *mids = sys.argv[1:]
classes = tuple(ChosenClass(index, mid, mid, (mid,)) for index, mid in enumerate(sorted(mids)))
options = RowOptions(by="masks", boxes=False, masks=True)
masks = CsvFile(Path(source), "0" * 32)
select(Path(out), Selection("train", Chosen(classes, frozenset(mids)), options, masks=masks))
"""


def draw(path: Path, rows: int) -> list[str]:
    """Draw a file of masks; return its classes, the most frequent first."""
    drawn = random.Random(1)
    mids = [f"/m/0{number:04x}" for number in range(_CLASSES)]
    weights = [1 / (place + 1) for place in range(_CLASSES)]
    clicks = ";".join(f"0.{drawn.randrange(99999):05d} 0.5 1" for _ in range(14))
    with path.open("w") as lines:
        lines.write(f"{_HEADER}\n")
        # Not all at once: a process that is started counts what its parent holds as its own peak.
        for mid in (drawn.choices(mids, weights)[0] for _ in range(rows)):
            image, box = f"{drawn.getrandbits(64):016x}", f"{drawn.getrandbits(32):08x}"
            name = f"{image}_{mid.replace('/', '')}_{box}.png"
            lines.write(f"{name},{image},{mid},{box},0.1,0.532100,0.011,0.333300,0.8,{clicks}\n")
    return mids


def measured(folder: Path, rows: int, rounds: int) -> dict[str, list[Usage]]:
    """Run each way in turn, some rounds."""
    source = folder / "train-annotations-object-segmentation.csv"
    chosen = draw(source, rows)[_FIRST : _FIRST + _CHOSEN]
    peer = str(ROOT / "benchmarks" / "peer_dictreader.py")
    shardmill = [sys.executable, "-m", "tasks.cli", "openimages-split", "--label", ",".join(chosen)]
    usages: dict[str, list[Usage]] = {"DictReader": [], "openimages-split": [], "select": []}
    for number in range(rounds):
        out = folder / str(number)
        out.mkdir()
        commands = {
            "DictReader": [sys.executable, peer, chosen[0], "train", str(source), str(out)],
            "openimages-split": [
                *(*shardmill, "--subset", "train"),
                *("--input", str(source), "--out", str(out)),
            ],
            "select": [sys.executable, "-c", _SELECT, str(source), str(out / "OUT"), *chosen],
        }
        for name, command in commands.items():
            usages[name].append(measure.run(command, ROOT))
        rows_of_peer = (out / "rows.csv").read_bytes()
        mid = chosen[0].rpartition("/")[2]
        assert (out / f"m{mid}_annotations.csv").read_bytes() == rows_of_peer
    return usages


def aims(usages: dict[str, list[Usage]]) -> list[Aim]:
    """Return how many times as fast ten classes are, and how much memory they take."""
    peers = [_CHOSEN * usage.cpu_s for usage in usages["DictReader"]]
    lines = list[Aim]()
    for name in ("openimages-split", "select"):
        own = usages[name]
        faster = [peer / usage.cpu_s for peer, usage in zip(peers, own, strict=True)]
        lines.append(Aim(f"{name}: times DictReader a class", _FASTER, Spread.of(faster)))
        peak = Spread.of([usage.peak_bytes / report.MB for usage in own])
        lines.append(Aim(f"{name}: peak RSS, MB", _MOST_MB, peak, most=True))
    return lines


def render(rows: int, usages: dict[str, list[Usage]]) -> str:
    """Return the tables."""
    head = f"| {rows:,} rows | s | processor s | peak RSS, MB |"
    lines = [head, "|---" * 4 + "|"]
    for name, some in usages.items():
        wall, cpu, peak = (
            statistics.median(values)
            for values in zip(
                *((each.wall_s, each.cpu_s, each.peak_bytes) for each in some), strict=True
            )
        )
        what = f"{name}, one class" if name == "DictReader" else f"{name}, ten classes"
        lines.append(f"| {what} | {wall:.2f} | {cpu:.2f} | {peak / report.MB:.0f} |")
    lines += ["", "| aim | wanted | measured | met |", "|---" * 4 + "|"]
    return "\n".join([*lines, *(aim.row() for aim in aims(usages))])


def main() -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=_ROWS)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "openimages.json")
    options = parser.parse_args()
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as folder:
        usages = measured(Path(folder), options.rows, options.rounds)
    plain = {
        name: [
            {"wall_s": each.wall_s, "cpu_s": each.cpu_s, "peak": each.peak_bytes} for each in some
        ]
        for name, some in usages.items()
    }
    report.write(
        options.output, {"machine": report.machine(), "rows": options.rows, "measured": plain}
    )
    print(f"{render(options.rows, usages)}\n\n{options.output}")


if __name__ == "__main__":
    main()
