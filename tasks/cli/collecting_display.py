"""How far ``shardmill openimages`` is with collecting, for its display."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pipeline import storage
from pipeline.documents.openimages import SelectionMark
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.collection import Collection
from pipeline.state import progress
from tasks.cli.bars import Bar, Rates


class CollectingObserver:
    """Turns what is collected into bars."""

    def __init__(self, what: Collection, run: str) -> None:
        self._what = what
        self._run = run
        self._rates = Rates()
        self._marks = dict[str, SelectionMark]()

    def bars(self, now: float) -> list[Bar]:
        """Return a bar for each file that is fetched, and for the steps of each split."""
        counts = progress.counts(self._what.out, self._run)
        bars = list[Bar]()
        for count in counts:
            if count.unit == "bytes":
                name = f"{count.step} {count.name}"
                bars.append(self._bar(now, name, count.done, count.total, "bytes"))
        for split in self._what.splits:
            mark = self._selected(split)
            if mark is not None:
                bars += self._of_split(now, mark, counts)
        return bars

    def _selected(self, split: str) -> SelectionMark | None:
        """Return the mark of a selection; it is read once."""
        if split not in self._marks and (mark := self._what.selected(split)) is not None:
            self._marks[split] = mark
        return self._marks.get(split)

    def _of_split(
        self, now: float, mark: SelectionMark, counts: list[progress.Count]
    ) -> Iterator[Bar]:
        where, digits = (self._what.out, mark.split, mark.digest), self._what.digits(mark)
        if digits:
            done = set(storage.documents(places.mask_tables(*where)))
            masks = {digit: mark.digits[digit] for digit in digits}
            there = sum(masks[each] for each in digits if places.mask_mark(*where, each) in done)
            there += _running(counts, "masks", mark.split)
            yield self._bar(now, f"{mark.split} masks", there, sum(masks.values()), "masks")
        if mark.images and self._what.options.reaches("images"):
            groups = len(list(storage.documents(places.image_tables(*where))))
            there = groups * tables.group_size(mark.images)
            there += _running(counts, "images", mark.split)
            yield self._bar(now, f"{mark.split} images", there, mark.images, "images")

    def _bar(self, now: float, name: str, done: float, total: float, unit: str) -> Bar:
        rate = self._rates.rate(name, now, done)
        return Bar(name, min(done, total) if total else done, total, unit, rate=rate)


def _running(counts: Iterable[progress.Count], step: str, split: str) -> int:
    """Return how far the tasks of a step of a split are that are at work."""
    at_work = (each for each in counts if (each.step, each.name.split(" ")[0]) == (step, split))
    return sum(each.done for each in at_work)
