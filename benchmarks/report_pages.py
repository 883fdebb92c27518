"""Measures ``shardmill report`` beside the job it shows: ``python -m benchmarks.report_pages``.

Each round prepares a set and makes its page, as whole commands, and prepares a set of few images,
whose cost is taken from that of the other: the rest is what its images cost. Then this process
draws the sheets, chooses images and writes pages once more, by itself, for what each costs a core:
the page shows 12 images of a class, however many there are, so its share of a job of 1.33 million
images is computed from these.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import corpus as corpora
from benchmarks import measure, report
from benchmarks.corpus import CLASSES, ROOT, Corpus
from benchmarks.measure import Usage
from benchmarks.report import Aim, Series, Spread
from pipeline.report import gathered, images, page_files, sheets
from pipeline.report.chosen import groups
from pipeline.report.survey import survey

_PROGRAM = (sys.executable, "-m", "tasks.cli")
_THUMBNAILS_A_SECOND = 300
_MOST_PERCENT = 15
_ILSVRC2012 = {"train": 1_281_167, "validation": 50_000}
_IMAGES_A_SHARD = 1250  # as of ILSVRC2012 in 1,024
_SHOWN = 12 * 1000
"""Images of a split of ILSVRC2012 that are shown."""


@dataclass
class Costs:
    """Processor seconds of this process, a value per round.

    Attributes:
        thumbnail: of a thumbnail: read, compared with its hash, decoded, its share of the sheet.
        chosen: of an image among which those that are shown are chosen.
        page: of the page of a class, and its share of the first one.
        job: of an image that the job prepares, beyond what a job of few images costs.
    """

    thumbnail: list[float] = field(default_factory=list)
    chosen: list[float] = field(default_factory=list)
    page: list[float] = field(default_factory=list)
    job: list[float] = field(default_factory=list)

    @property
    def shares(self) -> list[float]:
        """How much of the job's processor time the page of ILSVRC2012 takes, in percent."""
        every = sum(_ILSVRC2012.values())
        costs = zip(self.thumbnail, self.chosen, self.page, self.job, strict=True)
        return [
            100 * (_SHOWN * len(_ILSVRC2012) * thumbnail + every * chosen + 1000 * page)
            / (every * job)
            for thumbnail, chosen, page, job in costs
        ]  # fmt: skip


def main() -> None:
    """Measure, print the tables, write the JSON."""
    options = _options()
    with corpora.work_folders() as (disk, ram):
        corpus, few = (
            corpora.make(_made(disk / name), images)
            for name, images in (("corpus", options.images), ("few", CLASSES))
        )
        job = Series("the job", corpus.images, "images")
        page = Series("the report", CLASSES * 12, "images")
        costs = Costs()
        for _ in range(options.rounds):
            _round(corpus, few, ram / "out", job, page, costs)
        aims = [
            Aim(
                "thumbnails a second of a core",
                _THUMBNAILS_A_SECOND,
                Spread.of([1 / each for each in costs.thumbnail]),
            ),
            Aim(
                "of ILSVRC2012: processor time of the report, % of the job's, computed",
                _MOST_PERCENT,
                Spread.of(costs.shares),
                most=True,
            ),
            Aim(
                f"of these {corpus.images:,} images: the same, whole commands",
                None,
                Spread.of(
                    [100 * its / whole for its, whole in zip(page.cpu_s, job.cpu_s, strict=True)]
                ),
            ),
            Aim(
                "chosen among: images a second of a core",
                None,
                Spread.of([1 / each for each in costs.chosen]),
            ),
            Aim(
                "the job, beyond its start: images a second of a core",
                None,
                Spread.of([1 / each for each in costs.job]),
            ),
            Aim("pages of classes a second", None, Spread.of([1 / each for each in costs.page])),
        ]
        print(
            f"{corpus.summary}; {options.rounds} rounds; load {os.getloadavg()[0]:.1f}; median "
            f"[lowest-highest]\n\n{report.render([job, page], aims, [])}"
        )
        report.write(options.output, report.document(corpus, [job, page], aims, []))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _prepare(corpus: Corpus, out: Path) -> Usage:
    where = ["--raw", str(corpus.raw), "--config", str(corpus.config), "--out", str(out)]
    shards = f"train={max(1, corpus.images // _IMAGES_A_SHARD)}"
    words = ["--shards", shards, "--workers", "2"]
    return measure.run([*_PROGRAM, "imagenet", *where, *words], ROOT)


def _round(corpus: Corpus, few: Corpus, out: Path, job: Series, page: Series, costs: Costs) -> None:
    start = _prepare(few, out).cpu_s
    shutil.rmtree(out)
    usage = _prepare(corpus, out)
    job.add(usage.wall_s, usage.cpu_s, usage.wall_s)
    costs.job.append((usage.cpu_s - start) / (corpus.images - few.images))
    usage = measure.run([*_PROGRAM, "report", str(out), "--workers", "2"], ROOT)
    page.add(usage.wall_s, usage.cpu_s, usage.wall_s)
    found = survey(out)
    ((split, output),) = found.splits.items()
    with _timed(costs.chosen) as chosen:
        chosen.count = images.read(output).images
    whole = gathered.gather(found)
    with _timed(costs.thumbnail) as drawn:
        for group in range(groups(CLASSES)):
            work = sheets.SheetWork(output, found.sheets[split], group, whole=False)
            with contextlib.ExitStack() as staging:
                drawn.count += len(sheets.draw(work, staging)[1])
    with _timed(costs.page) as pages:
        pages.count = sum(1 for _ in page_files.pages_of_classes(whole))
        list(page_files.first_page(whole))
    shutil.rmtree(out)


@dataclass
class _Counted:
    count: int = 0


@contextlib.contextmanager
def _timed(costs: list[float]) -> Iterator[_Counted]:
    """Add what each of the counted things took of this process, in seconds of a core."""
    began, counted = time.process_time(), _Counted()
    yield counted
    costs.append((time.process_time() - began) / counted.count)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=60 * CLASSES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench-report.json")
    options = parser.parse_args()
    corpora.check_counts(parser, options.rounds, options.images)
    return options


if __name__ == "__main__":
    main()
