"""What ``shardmill openimages`` says of what it collects: before, meanwhile and at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from pipeline import manifest, storage
from pipeline.documents.openimages import (
    ImageGroupMark,
    MaskMark,
    SelectionMark,
    SizedMaskMark,
)
from pipeline.quantities import counted, size
from pipeline.sources.openimages import (
    failures,
    image_files,
    image_rows,
    mask_rows,
    mask_shapes,
    masks,
    places,
    published,
    sized_masks,
    tables,
)
from pipeline.sources.openimages.collection import Collection
from pipeline.sources.openimages.sized_masks import SizedPart
from pipeline.state import progress
from tasks.cli import report
from tasks.cli.display import Bar, Rates
from tasks.cli.saying import say

IMAGE_BYTES: Final = 295_000
"""What an image has, on average over all of Open Images: until it is known."""


def complete(what: Collection, how: str) -> int:
    """Say what was collected; return the exit status that follows if nothing else is made."""
    left_out = 0
    for note in what.notes:
        say(note)
    for split in what.splits:
        mark = what.selected(split) if what.options.reaches("select") else None
        for line in _lines(what, split, mark, how):
            say(f"{split}: {line}")
        if mark is not None and what.options.reaches("images"):
            left_out += sum(group.finals for group in _groups(what, mark))
    return report.LEFT_OUT if left_out else report.COMPLETE


def _lines(what: Collection, split: str, mark: SelectionMark | None, how: str) -> Iterator[str]:
    """Yield what is said of a split that was collected."""
    if mark is None:
        yield f"{how}: {counted(len(what.every_file(split)), 'metadata file')}: {what.raw}"
        return
    yield from mark.closing
    if what.options.reaches("masks"):
        yield from _of_masks(what, mark, how)
    if what.options.reaches("images"):
        yield from _of_images(what, mark, how)


def _of_masks(what: Collection, mark: SelectionMark, how: str) -> Iterator[str]:
    where, digits = (what.out, mark.split, mark.digest), what.digits(mark)
    recorded = (masks.recorded(*where, digit) for digit in digits)
    outcomes, examples = _together(each for each in recorded if each is not None)
    if outcomes:
        there = counted(sum(outcomes[name] for name in mask_rows.WRITTEN), "mask")
        yield f"{how}: {there}: {places.masks(what.out, mark.split)}"
    for name in sorted(outcomes.keys() - {mask_rows.KEPT}):
        yield f"masks that are {name}: {outcomes[name]:,}, e.g. {examples[name]}"
    if not what.options.reaches("images"):
        return
    groups = len(what.groups(mark))
    wrong = list(mask_shapes.misshapen(*where, digits, groups))
    if wrong:
        yield f"masks of another shape than their images: {len(wrong):,}, e.g. {wrong[0]}"
    parts = [SizedPart(*where, digit, groups) for digit in what.sized_digits(mark)]
    if parts:
        sized, _ = _together(sized_masks.recorded(part) for part in parts)
        there = counted(sum(sized[name] for name in sized_masks.SIZED), "mask")
        folder = places.sized_masks(what.out, mark.split)
        yield f"{how}: {there} at the size of their images: {folder}"


def _together(marks: Iterable[MaskMark | SizedMaskMark]) -> tuple[Counter[str], dict[str, str]]:
    """Return how many masks there are of each outcome, and the name of one."""
    outcomes, examples = Counter[str](), dict[str, str]()
    for mark in marks:
        outcomes.update(mark.outcomes)
        examples |= {name: each[0] for name, each in mark.examples.items() if each}
    return outcomes, examples


def _of_images(what: Collection, mark: SelectionMark, how: str) -> Iterator[str]:
    groups = _groups(what, mark)
    there, bytes_there = sum(each.images for each in groups), sum(each.bytes for each in groups)
    folder = places.images(what.out, mark.split)
    yield f"{how}: {counted(there, 'image')}, {size(bytes_there)}: {folder}"
    outcomes = Counter[str]()
    for group in groups:
        outcomes.update(group.outcomes)
    for name in sorted(outcomes.keys() & image_rows.FINAL):
        listed = places.failures(what.out, mark.split)
        yield f"images that are {name}: {outcomes[name]:,}; all are listed in {listed}"


def _groups(what: Collection, mark: SelectionMark) -> list[ImageGroupMark]:
    """Return the marks of the groups that were collected."""
    marks = (manifest.read_undamaged(group.mark, ImageGroupMark) for group in what.groups(mark))
    return [each for each in marks if each is not None]


def plan(what: Collection) -> None:
    """Say what would be collected, and how many bytes would be fetched and written."""
    to_fetch, to_write = 0, 0
    files = {file.name: file for split in what.splits for file in what.every_file(split)}
    for file in files.values():
        if published.find(file, what.raw) is None:
            known = "size not known" if file.bytes is None else size(file.bytes)
            say(f"would fetch: {file.name}, {known}, from {file.url or 'nowhere'}")
            to_fetch += file.bytes or 0
    for split in what.splits if what.options.reaches("select") else ():
        mark = what.selected(split)
        if mark is None:
            say(f"{split}: images and masks are not known before the selection")
            continue
        say(
            f"{split}: selected, {counted(mark.images, 'image')}, {counted(mark.objects, 'object')}"
        )
        for each in mark.classes:
            say(
                f"{split}: {each.name} ({each.mid}): {counted(each.images, 'image')},"
                f" {counted(each.boxes, 'box')}, {counted(each.masks, 'mask')}"
            )
        if what.options.reaches("images"):
            images = sum(len(group.ids) for group in what.groups(mark) if not group_known(group))
            say(f"{split}: would ask for {counted(images, 'image')}, {size(images * IMAGE_BYTES)}")
            to_fetch, to_write = to_fetch + images * IMAGE_BYTES, to_write + images * IMAGE_BYTES
    free = storage.free_bytes(what.out)
    room = "" if free is None else f"; free: {size(free)}"
    say(f"to fetch: about {size(to_fetch)}; to write: about {size(to_write)}{room}")


def group_known(group: image_files.ImageGroup) -> bool:
    """Whether the images of a group were collected, by its mark alone."""
    return manifest.read_undamaged(group.mark, ImageGroupMark) is not None


def list_failures(what: Collection) -> None:
    """Write the lists of images that are not there, and say how many had no answer."""
    for split in what.splits if what.options.reaches("images") else ():
        mark = what.selected(split)
        if mark is None:
            continue
        failed = failures.write(what.out, split, mark.digest)[image_rows.FAILED]
        if failed:
            listed = places.failures(what.out, split)
            said = f"no answer for {counted(failed, 'image')}; all are listed in {listed}"
            say(f"{split}: {said}", err=True)


class Observer:
    """Turns what is collected into bars."""

    def __init__(self, what: Collection, run: str) -> None:
        self._what = what
        self._run = run
        self._rates = Rates()
        self._marks = dict[str, SelectionMark]()

    def bars(self, now: float) -> list[Bar]:
        """Return a bar for each file that is fetched, and for each split's masks and images."""
        counts = progress.counts(self._what.out, self._run)
        bars = list[Bar]()
        for count in counts:
            if count.unit == "bytes":
                name = count.name.split("_", 2)[1]
                rate = self._rates.rate(count.name, now, count.done)
                bars.append(Bar(f"metadata {name}", count.done, count.total, "bytes", rate=rate))
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
        folder = places.image_tables(self._what.out, mark.split, mark.digest)
        groups = len(list(storage.documents(folder)))
        if self._what.options.reaches("images") and mark.images:
            each = tables.group_size(mark.images)
            running = sum(
                count.done
                for count in counts
                if count.step == "images" and mark.digest in count.name
            )
            done = min(mark.images, groups * each + running)
            rate = self._rates.rate(f"{mark.split} images", now, done)
            yield Bar(f"{mark.split} images", done, mark.images, "images", rate=rate)
