"""How far ``shardmill report`` is, for its display."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import pyarrow.compute as pc

from pipeline import manifest, storage
from pipeline.documents.report import ReportImagesMark
from pipeline.duplicates import hash_groups
from pipeline.duplicates.hash_groups import HashGroup
from pipeline.finished import arrow_tables
from pipeline.report import places, tables
from pipeline.report.chosen import GROUP
from pipeline.report.survey import Survey
from pipeline.state import progress
from pipeline.state.progress import Count
from tasks.cli.bars import Bar, Rates
from tasks.cli.observer import LIST_EVERY_S, parts_at_work

CHOOSE, DRAW, HASH = "report: choose images", "report: draw sheets", "duplicates: hash images"
"""The steps that count what they do; as their tasks call them."""


class ReportObserver:
    """Turns what is made of a report into bars.

    Args:
        survey: what there is to show.
        run: the name of the run.
        hashes: whether images are hashed, too.
    """

    def __init__(self, survey: Survey, run: str, *, hashes: bool) -> None:
        self._survey = survey
        self._run = run
        self._hashes = hashes
        self._rates = Rates()
        self._on_sheets = dict[str, list[int]]()

    def bars(self, now: float) -> list[Bar]:
        """Return a bar for the sheets of each split, and for its hashes."""
        storage.renew(after_s=LIST_EVERY_S)
        counts = progress.counts(self._survey.out, self._run)
        bars = list[Bar]()
        for split in self._survey.splits:
            images = self._images_of_sheets(split)
            if images:
                bars += self._of_sheets(now, split, images, counts)
            else:
                bars += self._of_choice(now, split, counts)
            if self._hashes:
                bars += self._of_hashes(now, split, counts)
        return bars

    def _of_choice(self, now: float, split: str, counts: list[Count]) -> Iterator[Bar]:
        for count in counts:
            if (count.step, count.name) == (CHOOSE, split):
                name, unit = f"{split} choice", "facts"  # no images: the total is of those
                yield self._bar(now, name, count.done, count.total, unit, at_work=True)

    def _of_sheets(
        self, now: float, split: str, images: list[int], counts: list[Count]
    ) -> Iterator[Bar]:
        out, digest = self._survey.out, self._survey.sheets[split]
        marks = set(storage.documents(places.marks(out, digest)))
        done = [
            group
            for group in range(len(images))
            if places.sheets_mark(out, digest, split, group) in marks
        ]
        running = parts_at_work(counts, DRAW, split)
        drawn = sum(images[group] for group in done)
        drawn += sum(count for group, count in running.items() if int(group) not in done)
        yield self._bar(now, f"{split} sheets", drawn, sum(images), "images", at_work=bool(running))

    def _of_hashes(self, now: float, split: str, counts: list[Count]) -> Iterator[Bar]:
        groups = self._groups[split]
        if not groups:
            return
        out = self._survey.out
        marks = set(storage.documents(hash_groups.mark(out, split, "").parent))
        done = [each for each in groups if hash_groups.mark(out, split, each.digest) in marks]
        running = parts_at_work(counts, HASH, split)
        finished = {str(each.number) for each in done}
        hashed = sum(each.images for each in done)
        hashed += sum(count for group, count in running.items() if group not in finished)
        total = sum(each.images for each in groups)
        yield self._bar(now, f"{split} hashes", hashed, total, "images", at_work=bool(running))

    def _bar(
        self, now: float, name: str, done: float, total: float, unit: str, *, at_work: bool
    ) -> Bar:
        rate = self._rates.rate(name, now, done, at_work=at_work)
        begun = at_work or bool(done)
        return Bar(name, min(done, total), total, unit, rate=rate, is_begun=begun)

    def _images_of_sheets(self, split: str) -> list[int]:
        """Return how many images each group of sheets has; none before they are chosen."""
        if split not in self._on_sheets:
            out, digest = self._survey.out, self._survey.sheets[split]
            mark = places.images_mark(out, digest, split)
            if manifest.read_complete(mark, out, ReportImagesMark) is None:
                return []
            table = arrow_tables.read(places.table(out, digest, split, "chosen"), tables.CHOSEN)
            groups = pc.divide(table["sheet"], GROUP).to_numpy()
            self._on_sheets[split] = np.bincount(groups).tolist()
        return self._on_sheets[split]

    @cached_property
    def _groups(self) -> dict[str, list[HashGroup]]:
        return {
            name: hash_groups.hash_groups(output.document)
            for name, output in self._survey.splits.items()
        }
