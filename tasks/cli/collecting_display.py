"""How far ``shardmill openimages`` is with collecting, for its display."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline import storage
from pipeline.documents.openimages import SelectionMark
from pipeline.sources.openimages import places, tables
from pipeline.sources.openimages.collection import Collection
from pipeline.state import progress
from tasks.cli.bars import Bar, Rates
from tasks.cli.observer import BytesObserver, parts_at_work


class CollectingObserver:
    """Turns what is collected into bars."""

    def __init__(self, what: Collection, run: str) -> None:
        self._what = what
        self._run = run
        self._files = BytesObserver(what.out, run)
        self._rates = Rates()
        self._marks = dict[str, SelectionMark]()

    def bars(self, now: float) -> list[Bar]:
        """Return a bar for each file that is fetched, and for the steps of each split."""
        counts = progress.counts(self._what.out, self._run)
        bars = self._files.of(counts, now)
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
            running = parts_at_work(counts, "masks", mark.split)
            there += sum(running.values())
            total = sum(masks.values())
            name, at_work = f"{mark.split} masks", bool(running)
            yield self._bar(now, name, there, total, "masks", at_work=at_work)
        if mark.images and self._what.options.reaches("images"):
            groups = len(list(storage.documents(places.image_tables(*where))))
            there = groups * tables.group_size(mark.images)
            running = parts_at_work(counts, "images", mark.split)
            there += sum(running.values())
            name, at_work = f"{mark.split} images", bool(running)
            yield self._bar(now, name, there, mark.images, "images", at_work=at_work)

    def _bar(
        self, now: float, name: str, done: float, total: float, unit: str, *, at_work: bool
    ) -> Bar:
        rate, begun = self._rates.rate(name, now, done, at_work=at_work), at_work or bool(done)
        done = min(done, total) if total else done
        return Bar(name, done, total, unit, rate=rate, is_begun=begun)
