"""Measures what it costs to append a hundredth of the images: ``python -m benchmarks.appending``.

Beside the append stand the whole run over the list as it was, and a run that has nothing to do,
which reads the list and looks at each image: the listing. An append costs what it takes more than
the listing. With ``--grow`` it grows a small set to one of so many images instead, in three
appends, and compares inodes.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from benchmarks import corpus as corpora
from benchmarks import measure, report
from benchmarks.corpus import ROOT
from benchmarks.report import Aim, Series, Spread

_MOST: Final = 0.05  # of the whole run
_PROGRAM: Final = (sys.executable, "-m", "tasks.cli")
_IN_A_FOLDER: Final = 1000
_DISTINCT: Final = 50
_SIDE: Final = 300  # pixels; an image of noise of so many has about 110 KB
_TENTH: Final = 10


class GrowingList:
    """A list of images that a benchmark makes longer; a file has many names.

    Args:
        folder: where it is drawn.
        side: width and height of the images, pixels.
    """

    def __init__(self, folder: Path, side: int) -> None:
        self.path, self.root, self.images = folder / "images.csv", folder / "images", 0
        self.root.mkdir()
        self.path.write_text("path,label\n")
        self._drawn = [folder / f"{number}.jpg" for number in range(_DISTINCT)]
        chance = random.Random(0)
        for path in self._drawn:
            image = Image.frombytes("RGB", (side, side), chance.randbytes(3 * side * side))
            content = io.BytesIO()
            image.save(content, "JPEG", quality=90)
            path.write_bytes(content.getvalue())

    def grow(self, images: int) -> None:
        """Name so many images in all."""
        with self.path.open("a") as lines:
            for number in range(self.images, images):
                name = f"{number // _IN_A_FOLDER:05d}/{number:08d}.jpg"
                (self.root / name).parent.mkdir(exist_ok=True)
                os.link(self._drawn[number % _DISTINCT], self.root / name)
                lines.write(f"{name},{number % _IN_A_FOLDER}\n")
        self.images = images

    def command(self, out: Path, *options: object) -> list[str]:
        """Return the command that prepares it, and appends."""
        where = ["imagelist", self.path, "--root", self.root, "--out", out, "--append"]
        return [*_PROGRAM, *map(str, (*where, *options))]


def measured(folder: Path, options: argparse.Namespace, how: Sequence[object]) -> list[Series]:
    """Return the whole run, the listing and the append, each with a value a round."""
    more = options.images + options.images // 100
    whole = Series("whole run", options.images, "images")
    listing = Series("nothing to do", options.images, "images")
    append = Series("append of 1 %", more - options.images, "images")
    for number in range(options.rounds):
        drawn = folder / f"{number}"
        drawn.mkdir()
        listed = GrowingList(drawn, _SIDE)
        listed.grow(options.images)
        command = listed.command(drawn / "out", *how)
        for series in (whole, listing, append):
            if series is append:
                listed.grow(more)
            usage = measure.run(command, ROOT)
            series.add(usage.wall_s, usage.cpu_s, usage.wall_s)
        shutil.rmtree(drawn)
    return [whole, listing, append]


def grown(folder: Path, images: int) -> str:
    """Grow a set to a hundred times its size in three appends; return what was found.

    Raises:
        ValueError: a shard was written again, or verifying finds something.
    """
    listed, out = GrowingList(folder, 8), folder / "out"
    kept: dict[str, int] = {}
    for count in (images // 100, images // 10, images // 2, images):
        listed.grow(count)
        measure.run(listed.command(out, "--shards", _TENTH), ROOT)
        current = (out / "tfrecord" / "images" / "current").resolve()
        inodes = {path.name: path.stat().st_ino for path in current.glob("images-*-of-*")}
        if not kept.items() <= inodes.items():
            raise ValueError(f"of {len(kept)} shards some were written again at {count} images")
        kept = inodes
    measure.run([*_PROGRAM, "verify", str(out), "--against", str(listed.root)], ROOT)
    return (
        f"{images // 100:,} images to {images:,} in three appends: {len(kept)} shards, none twice"
    )


def _aims(series: Sequence[Series], name: str) -> list[Aim]:
    whole, listing, append = series
    aims = []
    for what in ("wall_s", "cpu_s"):
        rounds = zip(*(getattr(each, what) for each in (append, listing, whole)), strict=True)
        shares = [(added - looked) / whole_run for added, looked, whole_run in rounds]
        called = f"{name}: append beyond the listing, of the whole run, {what.removesuffix('_s')}"
        aims.append(Aim(called, _MOST if what == "wall_s" else None, Spread.of(shares), most=True))
    return aims


def main() -> None:
    """Measure, print the tables, write the JSON; or grow a set."""
    options = _options()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        if options.grow:
            print(grown(Path(place), options.grow))
            return
        forms = {"as they are": (), "--resize 256": ("--resize", 256)}
        aims = list[Aim]()
        for name, how in forms.items():
            series = measured(Path(place), options, how)
            aims += _aims(series, name)
            print(f"{name}\n\n{report.render(series, [], [])}\n")
    print(f"{options.rounds} rounds; load {os.getloadavg()[0]:.1f}; median [lowest-highest]\n")
    print(report.render([], aims, []))
    met = {aim.name: [aim.measured.median, aim.met] for aim in aims}
    report.write(options.output, {"machine": report.machine(), "aims": met})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument(
        "--grow", type=int, default=100_000, help="images at the end; 0: not at all"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=None, help="where to draw them")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-appending.json")
    options = parser.parse_args()
    corpora.check_counts(parser, options.rounds, options.images)
    return options


if __name__ == "__main__":
    main()
