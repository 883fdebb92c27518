"""Asks for a finished list of a million images again: ``python -m benchmarks.list_scale``.

What is measured is what a list costs that is complete already: what a job means (`resolve`), its
status, a dry run, and a run, which alone looks at each image. A file has a thousand names.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import measure, report
from benchmarks.corpus import ROOT
from benchmarks.scale_set import tiny_images

_IMAGES = 1_000_000
_IN_A_FOLDER = 1000
_SHARDS = 64
_ROUNDS = 3
_NOTHING = "nothing: the program's modules alone"
_RESOLVE = (
    "from pathlib import Path; from tasks import prepare; from pipeline.state import status;"
    " from pipeline.job.resolve import resolve; import sys;"
    " resolve(status.recorded_jobs(Path(sys.argv[1]))[-1])"
)


@dataclass(frozen=True)
class Asked:
    """What it costs to ask once, the median of some rounds.

    Attributes:
        what: is asked.
        wall_s: seconds.
        cpu_s: processor seconds.
        peak_bytes: the largest resident set of a process.
    """

    what: str
    wall_s: float
    cpu_s: float
    peak_bytes: float


def draw(folder: Path, images: int) -> tuple[Path, Path]:
    """Draw images, and a list that names them; return the list and the folder of its paths."""
    root, listed = folder / "images", folder / "images.lst"
    contents = list(tiny_images())
    with listed.open("w") as lines:
        for first in range(0, images, _IN_A_FOLDER):
            place = root / f"{first // _IN_A_FOLDER:05d}"
            place.mkdir(parents=True)
            for number in range(first, min(first + _IN_A_FOLDER, images)):
                path = place / f"{number:08d}.JPEG"
                if number == first:
                    path.write_bytes(contents[first // _IN_A_FOLDER % len(contents)])
                    original = path
                else:
                    os.link(original, path)
                lines.write(f"{number}\t{number % 1000}\t{path.relative_to(root)}\n")
    return listed, root


def ask(what: str, command: Sequence[str]) -> Asked:
    """Run a command some times."""
    runs = [measure.run(command, ROOT) for _ in range(_ROUNDS)]
    return Asked(
        what,
        statistics.median(run.wall_s for run in runs),
        statistics.median(run.cpu_s for run in runs),
        statistics.median(run.peak_bytes for run in runs),
    )


def measured(folder: Path, images: int) -> list[Asked]:
    """Prepare a drawn list, without shards, and ask for it again."""
    listed, root = draw(folder, images)
    out = folder / "out"
    shardmill = [sys.executable, "-m", "tasks.cli"]
    again = [*shardmill, "imagelist", str(listed), "--root", str(root), "--out", str(out)]
    again += ["--format", "none", "--shards", str(min(_SHARDS, images))]
    first = measure.run(again, ROOT)
    print(f"{images:,} images prepared in {first.wall_s:.0f} s", file=sys.stderr)
    return [
        ask(_NOTHING, [sys.executable, "-c", _RESOLVE.rpartition(";")[0]]),
        ask("resolve", [sys.executable, "-c", _RESOLVE, str(out)]),
        ask("status", [*shardmill, "status", str(out)]),
        ask("--dry-run", [*again, "--dry-run"]),
        ask("a run, which looks at each image", again),
    ]


def render(images: int, asked: Sequence[Asked]) -> str:
    """Return the table: a row for each thing that is asked."""
    lines = [f"| {images:,} images | s | processor s | peak RSS, MB |", "|---" * 4 + "|"]
    for each in asked:
        peak = each.peak_bytes / report.MB
        lines.append(f"| {each.what} | {each.wall_s:.2f} | {each.cpu_s:.2f} | {peak:.0f} |")
    return "\n".join(lines)


def run(
    about: str | None, images: int, output: str, measured: Callable[[Path, int], list[Asked]]
) -> None:
    """Measure what is asked for on the command line, print the table, write the JSON.

    Args:
        about: the docstring of the benchmark.
        images: how many, by default.
        output: name of the JSON, by default.
        measured: makes a set of so many images in a folder, and measures.
    """
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=images)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / output)
    options = parser.parse_args()
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as folder:
        asked = measured(Path(folder), options.images)
    document = {"machine": report.machine(), "images": options.images}
    report.write(options.output, document | {"asked": [asdict(each) for each in asked]})
    print(f"{render(options.images, asked)}\n\n{options.output}")


def main() -> None:
    """Measure, print the table, write the JSON."""
    run(__doc__, _IMAGES, "list_scale.json", measured)


if __name__ == "__main__":
    main()
