"""What ``shardmill status`` says of collecting: how far it is, split by split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pipeline import manifest
from pipeline.documents.openimages import ImageGroupMark, MaskMark, SelectionMark
from pipeline.errors import ShardmillError
from pipeline.job.options import Job
from pipeline.quantities import counted, size
from pipeline.sources.openimages import metadata, places
from pipeline.sources.openimages.collection import Collection, collection_of
from pipeline.sources.openimages.images import image_rows
from tasks.cli import report
from tasks.cli.saying import say
from tasks.phases import COLLECTING


def say_collected(job: Job) -> int | None:
    """Say how far the collecting of a job is.

    Returns:
        The exit status, if nothing is to be said of shards: because they are not asked for, or not
        everything that they are made of is there. None: it is.
    """
    what, left_out = collection_of(job), 0
    for split in what.splits:
        say(f"{split}: {_metadata(what, split)}")
        mark = what.selected(split) if what.options.reaches("select") else None
        if mark is None:
            if what.options.reaches("select"):
                say(f"{split}: selection: pending")
            continue
        say(f"{split}: {counted(mark.images, 'image')} selected, {counted(mark.objects, 'object')}")
        for line in _masks(what, mark):
            say(f"{split}: {line}")
        if what.options.reaches("images"):
            left_out += _say_images(what, mark)
    try:
        is_complete = COLLECTING.is_complete(job)
    except ShardmillError as error:  # such as a class that the metadata does not know
        say(error)
        is_complete = False
    if not is_complete:
        say("collecting: not complete; the same command goes on with it")
        return ShardmillError.exit_status
    if what.options.reaches("plan"):
        return None
    return report.LEFT_OUT if left_out else report.COMPLETE


def _metadata(what: Collection, split: str) -> str:
    files = what.every_file(split)
    there = sum(metadata.known(file, what.out, what.raw) is not None for file in files)
    return f"metadata: {there} of {counted(len(files), 'file')} verified"


def _masks(what: Collection, mark: SelectionMark) -> Iterator[str]:
    digits = what.digits(mark) if what.options.reaches("masks") else []
    place = what.out, mark.split, mark.digest
    marks = (manifest.read_undamaged(places.mask_mark(*place, each), MaskMark) for each in digits)
    there = [each for each in marks if each is not None]
    if digits:
        count = sum(mark.digits[digit] for digit in digits)
        yield f"masks: {sum(each.masks for each in there):,} of {count:,} collected"


def _say_images(what: Collection, mark: SelectionMark) -> int:
    """Say how many images were collected; return how many of them have no file."""
    marks = (manifest.read_undamaged(group.mark, ImageGroupMark) for group in what.groups(mark))
    there = [each for each in marks if each is not None]
    outcomes = Counter[str]()
    for each in there:
        outcomes.update(each.outcomes)
    images, stored = sum(outcomes.values()), sum(each.bytes for each in there)
    lacking = {name: outcomes[name] for name in sorted(image_rows.FINAL & outcomes.keys())}
    said = "".join(f", {count:,} {name}" for name, count in lacking.items())
    say(f"{mark.split}: images: {images:,} of {mark.images:,} collected, {size(stored)}{said}")
    return sum(lacking.values())
