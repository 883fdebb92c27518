"""What ``shardmill openimages`` says of what it collects: before, meanwhile and at the end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pipeline import storage
from pipeline.errors import UsageError
from pipeline.quantities import counted, size
from pipeline.sources.openimages import places
from pipeline.sources.openimages.collected import Collected
from pipeline.sources.openimages.collection import Collection
from pipeline.sources.openimages.masks import sized_masks
from pipeline.sources.openimages.masks.mask_rows import WRITTEN
from pipeline.sources.openimages.masks.sized_masks import SizedPart
from pipeline.sources.openimages.pending import Pending, PendingSplit, pending
from tasks.cli import report
from tasks.cli.saying import say
from tasks.openimages import collect, readiness
from tasks.openimages.base import began

_CERTAIN: Final = 20
"""So many images without one that is given out are no accident."""


def complete(what: Collection, how: str) -> int:
    """Say what was collected; return the exit status that follows if nothing else is made.

    What is to be known of the images themselves is said at the very end: here only if that is it.
    """
    left_out, there, is_last = 0, 0, not what.options.reaches("plan")
    for note in what.notes if what.options.reaches("select") else ():
        say(note)
    for split in what.splits:
        if not what.options.reaches("select"):
            files = counted(len(what.every_file(split)), "metadata file")
            say(f"{split}: {how}: {files}: {what.raw}")
            continue
        mark = what.whole(split)
        for line in mark.closing if is_last else ():
            say(f"{split}: {line}")
        collected = what.collected(mark)
        for line in _lines(what, collected, how, is_last=is_last):
            say(f"{split}: {line}")
        left_out += sum(collected.outcomes.values())
        there += collected.there
    if left_out >= _CERTAIN and not there:
        raise UsageError(
            "no image is given out: bucket, endpoint or credentials are wrong",
            file=str(what.bucket),
            found=f"none of {counted(left_out, 'image')}",
            remedy="correct --bucket, --s3-endpoint or the credentials, and say --retry-absent",
        )
    return report.LEFT_OUT if left_out else report.COMPLETE


def _lines(what: Collection, collected: Collected, how: str, *, is_last: bool) -> Iterator[str]:
    """Yield what is said of the masks and images of a split."""
    out, split = what.out, collected.split
    if collected.masks is not None:
        there = sum(mark.outcomes.get(name, 0) for mark in collected.masks for name in WRITTEN)
        yield f"{how}: {counted(there, 'mask')}: {places.masks(out, split)}"
    if what.options.reaches("images"):
        images = f"{counted(collected.there, 'image')}, {size(collected.bytes)}"
        yield f"{how}: {images}: {places.images(out, split)}"
    if collected.masks is not None and what.options.reaches("images"):
        yield from _of_sizes(what, collected, how, is_last=is_last)
    if not is_last:
        return
    for name, count in collected.mask_outcomes.items():
        yield f"masks that are {name}: {count:,}, e.g. {collected.mask_example}"
    for name, count in collected.outcomes.items():
        yield f"images that are {name}: {count:,}; all are listed in {places.failures(out, split)}"


def _of_sizes(what: Collection, collected: Collected, how: str, *, is_last: bool) -> Iterator[str]:
    """Yield what is said of the sizes of masks, which are those of their images or not."""
    where, groups = (what.out, collected.split, collected.mark.digest), len(collected.groups)
    wrong = list(collected.misshapen) if is_last else []  # every mask and image is read for it
    if wrong:
        yield f"masks of another shape than their images: {len(wrong):,}, e.g. {wrong[0]}"
    parts = [SizedPart(*where, digit, groups) for digit in what.sized_digits(collected.mark)]
    if parts:
        marks = map(sized_masks.recorded, parts)
        there = sum(mark.outcomes.get(name, 0) for mark in marks for name in sized_masks.SIZED)
        folder = places.sized_masks(what.out, collected.split)
        yield f"{how}: {counted(there, 'mask')} at the size of their images: {folder}"


def plan(what: Collection) -> Pending:
    """Say what would be collected, and return it."""
    still = pending(what, began(), surveys=True)
    for file in still.files:
        known = "size not known" if file.bytes is None else size(file.bytes)
        say(f"to fetch: {file.name}, {known}, from {file.url or 'nowhere'}")
    for split, each in still.splits.items():
        if each is None:
            say(f"{split}: which images it has is known when these files are there")
            continue
        for line in (*each.mark.closing, *_of_classes(each), *_to_collect(what, each)):
            say(f"{split}: {line}")
    return still


def _of_classes(each: PendingSplit) -> Iterator[str]:
    for of_class in each.mark.classes:
        there = f"{counted(of_class.images, 'image')}, {counted(of_class.boxes, 'box')}"
        masks = counted(of_class.masks, "mask")
        yield f"{of_class.name} ({of_class.mid}): {there}, {masks}"


def _to_collect(what: Collection, each: PendingSplit) -> Iterator[str]:
    """Yield which masks and images of a split are to be collected."""
    masks, images = each.masks, each.images
    if masks.masks:
        archives = counted(len(masks.archives), "archive")
        fetched = f"about {size(masks.fetched)} to fetch" if masks.fetched else "nothing to fetch"
        count = f"{masks.masks:,}" if each.is_selected else f"up to {masks.masks:,}"
        yield f"masks to collect: {count}, of {archives}, {fetched}"
    if what.options.reaches("images"):
        others = each.mark.images - images.asked
        known = f"; {others:,} others are there, or known not to be in the bucket" if others else ""
        lying = f"; {images.lying:,} of them lie there, and are compared" if images.lying else ""
        asked = f"{images.asked:,}, about {size(images.bytes)}" if images.asked else "none"
        yield f"images to ask for: {asked}{lying}{known}"


def plan_bytes(what: Collection, still: Pending) -> None:
    """Say how many bytes would be fetched, and how many written in which folder."""
    of_known = "" if all(still.splits.values()) else ", and what the selected images need"
    fetched = f"about {size(still.fetched)}" if still.fetched else "nothing"
    say(f"to fetch: {fetched}{of_known}")
    for room in readiness.rooms(what, still):
        free = storage.free_bytes(room.folder)
        known = "" if free is None else f"; free: {size(free)}"
        say(f"to write into {room.folder}: about {size(room.bytes)}{of_known}{known}")


def list_failures(what: Collection) -> None:
    """Write the lists of images that are not there, and say how many had no answer."""
    for split, failed in collect.list_failures(what).items():
        if failed:
            listed = places.failures(what.out, split)
            said = f"no answer for {counted(failed, 'image')}; all are listed in {listed}"
            say(f"{split}: {said}", err=True)
