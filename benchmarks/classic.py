"""Measures shardmill beside the classic recipes: ``python -m benchmarks.classic``.

Class folders are made by tar, and bboxes.csv by a script from annotations that tar unpacked.
Everything is measured in one run, interleaved round by round, read from the page cache and
written to memory. A step of ours is timed from its first task's start to its last one's end, with
the archives verified before; the recipes verify nothing. What both make must be equal.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import corpus as corpora
from benchmarks import measure, report
from benchmarks.corpus import ROOT, Corpus
from benchmarks.measure import Usage
from benchmarks.report import Aim, Series

WORKERS = 2
_IMAGES = 16_400  # two groups of classes of one size, as a worker of the whole set has many
_ANNOTATIONS = 50_000
_HERE = Path(__file__).resolve().parent
# $1: the archive, $2: the folder to make.
_UNPACK = 'mkdir "$2"; tar xf "$1" -C "$2"; cd "$2"; '
_UNPACK_CLASS = 'mkdir "${1%.tar}"; tar xf "$1" -C "${1%.tar}"; rm "$1"'
_ONE_BY_ONE = f'{_UNPACK} for each in *.tar; do set -- "$each"; {_UNPACK_CLASS}; done'
_SIDE_BY_SIDE = (
    f"{_UNPACK} printf '%s\\0' *.tar | xargs -0 -n 1 -P {WORKERS} sh -ec '{_UNPACK_CLASS}' sh"
)
_UNPACK_BOXES = 'mkdir "$2"; tar xzf "$1" -C "$2"'

_EXTRACT, _EXTRACT_ALL = "shardmill: extract", "shardmill: extract, whole command"
_TAR, _XARGS = "tar, class after class", f"tar, xargs -P {WORKERS}"
_BOXES, _BOXES_ALL = "shardmill: boxes", "shardmill: boxes, whole command"
_SCRIPT = "tar and a script with ElementTree"


@dataclass
class Bench:
    """The runs of all programs on one corpus.

    Attributes:
        corpus: the images.
        boxes_config: the configuration that names its annotations too.
        ram: folder for outputs that cost no disk.
        series: what was measured, by name.
        made: what the first to make it has made: class folders, boxes.
    """

    corpus: Corpus
    boxes_config: Path
    ram: Path
    series: dict[str, Series] = field(default_factory=dict)
    made: dict[str, object] = field(default_factory=dict)

    def round(self, number: int) -> None:
        """Measure everything once, from another beginning each time."""
        runs: list[Callable[[], None]] = [
            self.ours_extracting,
            self.tar,
            self.ours_boxes,
            self.script,
            self.xargs,
        ]
        first = number % len(runs)
        for run in runs[first:] + runs[:first]:
            run()

    def ours_extracting(self) -> None:
        """Measure the step that makes class folders, and its command, the archive verified."""
        out = self.ram / "ours"
        command = self.command(self.corpus.config, out)
        measure.run([*command, "--until", "verify"], ROOT)
        usage = measure.run([*command, "--extract", "--until", "extract", "--no-boxes"], ROOT)
        self._add(_EXTRACT, measure.steps(out)["extract"], usage, "images")
        self._add(_EXTRACT_ALL, usage.wall_s, usage, "images")
        self._same("class folders", _sizes(out / "train"))
        shutil.rmtree(out)

    def tar(self) -> None:
        """Measure tar, one class tar after the other."""
        self._tar(_TAR, _ONE_BY_ONE)

    def xargs(self) -> None:
        """Measure tar, as many class tars at a time as there are workers."""
        self._tar(_XARGS, _SIDE_BY_SIDE)

    def ours_boxes(self) -> None:
        """Measure the step that makes bboxes.csv, and its command, which verifies too."""
        out = self.ram / "ours"
        usage = measure.run([*self.command(self.boxes_config, out), "--until", "boxes"], ROOT)
        self._add(_BOXES, measure.steps(out)["boxes"], usage, "annotations")
        self._add(_BOXES_ALL, usage.wall_s, usage, "annotations")
        self._same("boxes", _sorted_lines(out / "bboxes.csv"))
        shutil.rmtree(out)

    def script(self) -> None:
        """Measure tar and the script."""
        folder, csv = self.ram / "bboxes", self.ram / "bboxes.csv"
        tar = measure.run(_shell(_UNPACK_BOXES, self.corpus.boxes, folder), ROOT)
        command = [sys.executable, str(_HERE / "peer_boxes.py"), str(folder), str(csv)]
        parse = measure.run(command, ROOT)
        said = json.loads(parse.output)
        assert said["images"] == _ANNOTATIONS, f"{said['images']} annotations were parsed"
        both = Usage(tar.wall_s + parse.wall_s, tar.cpu_s + parse.cpu_s, "", parse.peak_bytes)
        self._add(_SCRIPT, tar.wall_s + said["seconds"], both, "annotations")
        self._same("boxes", _sorted_lines(csv))
        shutil.rmtree(folder)
        csv.unlink()

    def command(self, config: Path, out: Path) -> list[str]:
        """Return our command line, without what to make."""
        where = ["--raw", str(self.corpus.raw), "--config", str(config), "--out", str(out)]
        command = [sys.executable, "-m", "tasks.cli", "imagenet", *where]
        return [*command, "--workers", str(WORKERS)]

    def aims(self) -> list[Aim]:
        """Return what is aimed at, and what came of it."""
        by = self.series
        extract, whole = by[_EXTRACT], by[_EXTRACT_ALL]
        boxes, command, script = by[_BOXES], by[_BOXES_ALL], by[_SCRIPT]
        return [
            Aim(f"extract: times the speed of {_TAR}", 2, extract.faster_than(by[_TAR])),
            Aim(f"extract: times the speed of {_XARGS}", None, extract.faster_than(by[_XARGS])),
            Aim(f"whole command: times the speed of {_TAR}", None, whole.faster_than(by[_TAR])),
            Aim(f"whole command: times the speed of {_XARGS}", None, whole.faster_than(by[_XARGS])),
            Aim(f"boxes: times the speed of {_SCRIPT}", 3, boxes.faster_than(script)),
            Aim(f"whole command: times the speed of {_SCRIPT}", None, command.faster_than(script)),
        ]

    def _tar(self, name: str, script: str) -> None:
        folder = self.ram / "train"
        usage = measure.run(_shell(script, self.corpus.archive, folder), ROOT)
        self._add(name, usage.wall_s, usage, "images")
        self._same("class folders", _sizes(folder))
        shutil.rmtree(folder)

    def _add(self, name: str, seconds: float, usage: Usage, unit: str) -> None:
        volume = self.corpus.images if unit == "images" else _ANNOTATIONS
        line = self.series.setdefault(name, Series(name, volume, unit))
        line.add(seconds, usage.cpu_s, usage.wall_s)
        print(f"{name}: {seconds:.3f} s, {volume / seconds:,.0f} {unit}/s", file=sys.stderr)

    def _same(self, what: str, made: object) -> None:
        assert self.made.setdefault(what, made) == made, f"not the same {what}"


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    with corpora.work_folders() as (disk, ram):
        corpus = corpora.make(disk, options.images)
        bench = Bench(corpus, corpora.annotate(corpus, _ANNOTATIONS), ram)
        bench.round(0)
        bench.series.clear()  # the first round warms up
        for number in range(options.rounds):
            bench.round(number)
        series, aims = list(bench.series.values()), bench.aims()
        report.write(options.output, report.document(corpus, series, aims, []))
        print(
            f"{corpus.summary}; {_ANNOTATIONS:,} annotations; {WORKERS} workers, {options.rounds} "
            f"rounds; median [lowest-highest]\n\n{report.render(series, aims, [])}\n\n"
            f"{options.output}"
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=_IMAGES, help="a multiple of 100")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "classic.json")
    options = parser.parse_args()
    corpora.check_counts(parser, options.rounds, options.images)
    return options


def _shell(script: str, archive: Path, folder: Path) -> list[str]:
    return ["sh", "-ec", script, "sh", str(archive), str(folder)]


def _sizes(tree: Path) -> dict[str, int]:
    """Return path -> bytes of every file."""
    files = (path for path in tree.rglob("*") if path.is_file())
    return {str(path.relative_to(tree)): path.stat().st_size for path in files}


def _sorted_lines(path: Path) -> list[str]:
    return sorted(path.read_text().splitlines())


if __name__ == "__main__":
    main()
