"""Runs the whole job on a million tiny images: ``python -m benchmarks.scale``.

What is measured is everything but the images' bytes: Luigi, catalogs, plans, memory. Each
number of images is run twice, once for the times and once for the memory, whose sampling costs
processor time.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import measure, report, scale_set
from benchmarks.corpus import ROOT
from benchmarks.scale_set import ScaleSet
from pipeline import paths
from pipeline.state import progress
from pipeline.state.progress import Timing

WORKERS = 2
_SHARDS = {"train": 1024, "validation": 128}
_SIZES = (10_000, 100_000, scale_set.TRAIN_IMAGES)
_KEPT = {"index": "archives", "catalog": "catalogs", "plan": "plans"}


@dataclass(frozen=True)
class Run:
    """One whole job.

    Attributes:
        images: in all splits.
        shards: in all splits.
        wall_s: seconds of the whole command.
        cpu_s: its processor seconds.
        luigi_s: seconds in which a worker had no task at work, for each worker: scheduling,
            forking, waiting for what a task depends on.
        steps: seconds of each step's tasks together, whatever ran beside them.
        memory: peak unique set size in bytes of the processes of each kind.
        state: bytes of indexes, catalogs and plans.
    """

    images: int
    shards: int
    wall_s: float
    cpu_s: float
    luigi_s: float
    steps: dict[str, float]
    memory: dict[str, int]
    state: dict[str, int]


def run(raw: ScaleSet, out: Path) -> Run:
    """Measure a whole job."""
    shards = {name: min(most, getattr(raw, name)) for name, most in _SHARDS.items()}
    where = ["--raw", str(raw.raw), "--config", str(raw.config), "--out", str(out)]
    command = [sys.executable, "-m", "tasks.cli", "imagenet", *where, "--workers", str(WORKERS)]
    for name, count in shards.items():
        command += ["--shards", f"{name}={count}"]
    memory: dict[str, int] = {}
    for peak in measure.peaks(command, ROOT):
        kind = {0: "command", 1: "luigi"}.get(peak.depth, peak.name)
        memory[kind] = max(memory.get(kind, 0), peak.uss)
    shutil.rmtree(out)
    usage = measure.run(command, ROOT)
    latest = progress.latest_run(out)
    assert latest is not None
    timings = progress.timings(out, latest)
    found = Run(
        images=raw.train + raw.validation,
        shards=sum(shards.values()),
        wall_s=usage.wall_s,
        cpu_s=usage.cpu_s,
        luigi_s=idle(timings),
        steps=spent(timings),
        memory=memory,
        state={kind: _size(paths.state(out) / folder) for kind, folder in _KEPT.items()},
    )
    shutil.rmtree(out)
    return found


def spent(timings: Sequence[Timing]) -> dict[str, float]:
    """Return how long the tasks of each step took together."""
    found: dict[str, float] = {}
    for each in sorted(timings, key=lambda timing: timing.start):
        found[each.step] = found.get(each.step, 0) + each.end - each.start
    return found


def idle(timings: Sequence[Timing]) -> float:
    """Return for how many seconds a worker had nothing at work, on average of the workers."""
    whole = max(each.end for each in timings) - min(each.start for each in timings)
    return whole - sum(each.end - each.start for each in timings) / WORKERS


def render(runs: Sequence[Run]) -> str:
    """Return the table: a column for every number of images."""
    lines = [_row("images", *(f"{run.images:,}" for run in runs)), "|---" * (len(runs) + 1) + "|"]
    lines.append(_row("shards", *(f"{run.shards:,}" for run in runs)))
    for name in ("wall_s", "cpu_s", "luigi_s"):
        label = name.removesuffix("_s") + ", s"
        lines.append(_row(label, *(f"{getattr(run, name):.1f}" for run in runs)))
    lines += [
        _row(f"step {step}, s", *(f"{run.steps.get(step, 0):.2f}" for run in runs))
        for step in runs[-1].steps
    ]
    for kind in runs[-1].memory:
        peaks = (f"{run.memory.get(kind, 0) / report.MB:.0f}" for run in runs)
        lines.append(_row(f"peak USS of {kind}, MB", *peaks))
    for kind in _KEPT:
        sizes = (f"{run.state[kind] / run.images:.0f}" for run in runs)
        lines.append(_row(f"{kind}, bytes an image", *sizes))
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, nargs="+", default=_SIZES, help="training images")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "scale.json")
    options = parser.parse_args()
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    runs = []
    for images in options.images:
        with tempfile.TemporaryDirectory(dir=build) as folder:
            raw = scale_set.make(Path(folder) / "raw", images)
            print(f"{images:,} images: {raw.bytes / 1e9:.2f} GB", file=sys.stderr)
            runs.append(run(raw, Path(folder) / "out"))
            print(json.dumps(asdict(runs[-1]), indent=1), file=sys.stderr)
    report.write(
        options.output, {"machine": report.machine(), "runs": [asdict(run) for run in runs]}
    )
    print(f"{WORKERS} workers\n\n{render(runs)}\n\n{options.output}")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
