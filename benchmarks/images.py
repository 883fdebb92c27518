"""Measures packing and resizing beside im2rec.py and img2dataset: ``python -m benchmarks.images``.

Everything is measured in one run, interleaved round by round. im2rec's times are of the whole
process, as ours beside it; img2dataset's are of its resizer alone, without imports and start, and
ours beside it those of the step that writes shards.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import corpus as corpora
from benchmarks import fidelity, measure, report
from benchmarks.corpus import ROOT, Corpus
from benchmarks.measure import Usage
from benchmarks.report import Aim, Memory, Series

WORKERS = 2
_EDGE, _QUALITY = 256, 95
_SHARDS = 8
_LOOKED_AT = 60  # images whose PSNR is measured
_MXNET = ROOT / ".venv-mxnet" / "bin" / "python"
_IMG2DATASET = ROOT / ".venv-img2dataset"
_HERE = Path(__file__).resolve().parent
_PASS, _RESIZE = ("--pass-through",), ("--resize", str(_EDGE), "--quality", str(_QUALITY))


@dataclass
class Bench:
    """The runs of all programs on one list.

    Attributes:
        corpus: the images, as files.
        ram: folder for outputs that cost no disk.
        im2rec: path of MXNet's ``im2rec.py``.
    """

    corpus: Corpus
    ram: Path
    im2rec: str
    series: dict[str, Series] = field(default_factory=dict)
    fidelity: dict[str, str] = field(default_factory=dict)

    @property
    def listing(self) -> Path:
        """The list that all of them read, in shuffled order."""
        return self.ram / "all.lst"

    def round(self, number: int) -> None:
        """Measure everything once, each round beginning with another program."""
        runs: list[Callable[[], None]] = [
            lambda: self.theirs("im2rec.py --pass-through, 1", _PASS, 1),
            lambda: self.theirs("im2rec.py --pass-through, 2", _PASS, 2),
            lambda: self.ours("shardmill im2rec --pass-through", _PASS),
            lambda: self.theirs("im2rec.py --resize 256, 2", _RESIZE, 2),
            lambda: self.ours("shardmill im2rec --resize 256", _RESIZE),
            self.img2dataset,
            lambda: self.shards("shardmill imagelist: resize, RecordIO", "recordio"),
            lambda: self.shards("shardmill imagelist: resize, two formats", "recordio", "tfrecord"),
        ]
        first = number % len(runs)
        for run in runs[first:] + runs[:first]:
            run()

    def theirs(self, name: str, flags: tuple[str, ...], threads: int) -> None:
        """Run im2rec.py on the list."""
        folder = self._folder("theirs")
        command = [str(_MXNET), self.im2rec, str(folder / "all"), str(self.corpus.tree), *flags]
        usage = measure.run([*command, "--num-thread", str(threads)], ROOT)
        self._add(name, usage.wall_s, usage)
        self._look(name, folder / "all.rec", flags)

    def ours(self, name: str, flags: tuple[str, ...]) -> None:
        """Run our im2rec on the list."""
        folder = self._folder("ours")
        usage = measure.run(self.command(folder, flags), ROOT)
        self._add(name, usage.wall_s, usage)
        self._look(name, folder / "all.rec", flags)

    def command(self, folder: Path, flags: tuple[str, ...]) -> list[str]:
        """Return our im2rec's command line."""
        program = [sys.executable, "-m", "tasks.cli", "im2rec"]
        where = [str(folder / "all"), str(self.corpus.tree)]
        return [*program, *where, *flags, "--num-thread", str(WORKERS)]

    def shards(self, name: str, *formats: str) -> None:
        """Run the whole job on the list, as far as shards."""
        out = self.ram / "out"
        command = [sys.executable, "-m", "tasks.cli", "imagelist", str(self.listing)]
        command += ["--root", str(self.corpus.tree), "--out", str(out), "--order", "list"]
        command += [word for each in formats for word in ("--format", each)]
        command += [*_RESIZE, "--shards", str(_SHARDS), "--workers", str(WORKERS)]
        usage = measure.run(command, ROOT)
        self._add(name, measure.steps(out)["shards"], usage)
        shutil.rmtree(out)

    def img2dataset(self) -> None:
        """Run the resizer of img2dataset on the list."""
        name, folder = f"img2dataset's resizer, {WORKERS} processes", self._folder("files")
        python = str(_IMG2DATASET / "bin" / "python")
        script = str(_HERE / "peer_img2dataset.py")
        where = [str(self.listing), str(self.corpus.tree), str(folder), str(WORKERS)]
        usage = measure.run([python, "-W", "ignore", script, *where], ROOT)
        self._add(name, float(usage.output.split()[-1]), usage)
        if name not in self.fidelity:
            files = [folder / f"{at}.jpg" for at in range(_LOOKED_AT)]
            self.fidelity[name] = fidelity.of_files(files, self._sources())

    def memory(self, images: int) -> Memory:
        """Return the peaks of a resizing run over the first images of the list."""
        folder = self._folder("part")
        lines = self.listing.read_text().splitlines(keepends=True)
        (folder / "all.lst").write_text("".join(lines[:images]))
        return Memory(f"im2rec, {images:,}", measure.peaks(self.command(folder, _PASS), ROOT))

    def aims(self) -> list[Aim]:
        """Return what is aimed at, and what was measured."""
        found = self.series
        ours, resized = (
            found["shardmill im2rec --pass-through"],
            found["shardmill im2rec --resize 256"],
        )
        one = found["shardmill imagelist: resize, RecordIO"]
        two = found["shardmill imagelist: resize, two formats"]
        peer = found[f"img2dataset's resizer, {WORKERS} processes"]
        theirs = found["im2rec.py --pass-through, 2"]
        return [
            Aim("pass-through, times im2rec.py, 2", 4.0, ours.faster_than(theirs)),
            Aim(
                "pass-through, times im2rec.py, 1",
                None,
                ours.faster_than(found["im2rec.py --pass-through, 1"]),
            ),
            Aim(
                "resize, times im2rec.py, 2",
                1.0,
                resized.faster_than(found["im2rec.py --resize 256, 2"]),
            ),
            Aim("resize to shards, times img2dataset's resizer", 2.0, one.faster_than(peer)),
            Aim("two formats, seconds of one", 1.3, one.faster_than(two), most=True),
        ]

    def _folder(self, name: str) -> Path:
        """Return an empty folder that holds the list."""
        folder = self.ram / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shutil.copy(self.listing, folder / "all.lst")
        return folder

    def _sources(self) -> list[Path]:
        lines = self.listing.read_text().splitlines()[:_LOOKED_AT]
        return [self.corpus.tree / line.split("\t")[-1] for line in lines]

    def _look(self, name: str, shard: Path, flags: tuple[str, ...]) -> None:
        if flags == _RESIZE and name not in self.fidelity:
            self.fidelity[name] = fidelity.of_shard(shard, self._sources())

    def _add(self, name: str, seconds: float, usage: Usage) -> None:
        found = self.series.setdefault(name, Series(name, self.corpus.images, "images"))
        found.add(seconds, usage.cpu_s, usage.wall_s)


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    im2rec = _install_peers()
    with corpora.work_folders() as (disk, ram):
        corpus = corpora.make(disk, options.images)
        bench = Bench(corpus, ram, im2rec)
        listing = [sys.executable, "-m", "tasks.cli", "im2rec", "--list", str(ram / "all")]
        measure.run([*listing, str(corpus.tree), "--recursive"], ROOT)
        bench.round(0)
        bench.series.clear()  # the first round warms up
        for number in range(options.rounds):
            bench.round(number)
        memory = [bench.memory(corpus.images // part) for part in (10, 1)]
        series, aims = list(bench.series.values()), bench.aims()
        report.write(options.output, report.document(corpus, series, aims, memory))
        print(
            f"{corpus.summary}; {WORKERS} workers, {options.rounds} rounds; "
            f"median [lowest-highest]\n\n{report.render(series, aims, memory)}\n"
        )
        for name, quality in bench.fidelity.items():
            print(f"PSNR, dB, mean of {_LOOKED_AT} and lowest: {quality}: {name}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=10_000, help="a multiple of 100")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-images.json")
    options = parser.parse_args()
    corpora.check_counts(parser, options.rounds, options.images)
    return options


def _install_peers() -> str:
    """Make the peers' environments, unless they are there; return the path of im2rec.py."""
    python = str(_IMG2DATASET / "bin" / "python")
    ready, wanted = _IMG2DATASET / ".ready", _HERE / "requirements-img2dataset.txt"
    if not ready.exists() or ready.read_text() != wanted.read_text():
        subprocess.run([sys.executable, "-m", "venv", str(_IMG2DATASET)], check=True)
        install = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*install, "-r", str(wanted)], check=True)
        ready.write_text(wanted.read_text())
    where = "import importlib.util as u; print(u.find_spec('mxnet').submodule_search_locations[0])"
    found = subprocess.run([str(_MXNET), "-c", where], check=True, capture_output=True, text=True)
    return str(Path(found.stdout.strip()) / "tools" / "im2rec.py")


if __name__ == "__main__":
    main()
