"""``shardmill show``: one image of a finished output."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pipeline import storage
from pipeline.errors import OutputConflict, UsageError
from pipeline.job.table.option import SHOW
from pipeline.job.table.options import options_of
from pipeline.quantities import counted
from tasks.cli.grouping import GroupedCommand
from tasks.cli.options import parameters
from tasks.cli.reaching import Reached
from tasks.cli.saying import say

if TYPE_CHECKING:
    from pipeline.state.image_lookup import AbsentImage, FoundImage, StoredRecord

EXAMPLES: Final = (
    "shardmill show OUT ILSVRC2012_val_00000001",
    "shardmill show OUT ILSVRC2012_val_00000001.JPEG --split validation --save image.jpg",
    "shardmill show OUT ILSVRC2012_val_00000001.JPEG --boxes --save image.png",
)
LEFT_OUT: Final = 4
"""The exit status of an image that was left out."""


@click.command(cls=GroupedCommand, params=parameters(options_of(SHOW)), examples=EXAMPLES)
def show(out: str, key: str, split: str, save: str, *, boxes: bool, **given: Any) -> int:
    """Say where an image of a finished output lies and what is known of it; save it as a file.

    KEY is its key, as facts.parquet has it, or its file name, with or without what follows the
    last dot, where one image alone has it. What is said comes from the manifest, the facts, the
    plan if that was kept, and the record itself, which is read and compared with its hash.

    Exit status 2 when there is no such image: keys that are like KEY are named. 4 when it was left
    out: then the reason is said.
    """
    from pipeline.state import image_lookup  # noqa: PLC0415 - Arrow: not for --help

    target = _target(save, drawn=boxes) if save else None
    shard_format = given.pop("format") or ""
    found = image_lookup.find(Reached.of(out, given).out, key, shard_format, split)
    if isinstance(found, image_lookup.AbsentImage):
        for line in _why_absent(found):
            say(line)
        return LEFT_OUT
    record = image_lookup.read_record(found) if found.shard is not None or save else None
    for line in (*_place(found), *_known(found, record), *(_boxes(found) if boxes else ())):
        say(line)
    if target is not None and record is not None:
        storage.publish_bytes(target, _drawn(found, record, target) if boxes else record.image)
        say(f"written: {target}")
    return 0


def _target(save: str, *, drawn: bool) -> Path:
    """Return the file that the image is written to, which must not be there yet."""
    from pipeline.images import drawn_boxes  # noqa: PLC0415

    path = Path(storage.absolute(save, "--save"))
    if drawn:
        drawn_boxes.format_of(storage.extension(path.name))
    if storage.kind(path) is not None:
        raise OutputConflict(
            "--save: something is there already",
            file=str(path),
            remedy="give another file, or remove this one",
        )
    return path


def _why_absent(absent: AbsentImage) -> Iterator[str]:
    document = absent.output.document
    yield f"{absent.key}: left out of {document.split} ({document.format})"
    yield _line("reason", absent.reason)
    if absent.place is not None:
        yield _line("source", f"{absent.place.source}, byte {absent.place.offset:,}")
        if absent.place.line:
            yield _line("line", f"{absent.place.line} of the image list")


def _place(found: FoundImage) -> Iterator[str]:
    """Yield where an image lies."""
    document, fact = found.output.document, found.fact
    yield found.key
    yield _line("split", document.split)
    yield _line("output", f"{found.output.folder} ({document.format})")
    if found.shard is not None:
        records = document.shards[fact["shard"]].records
        place = f"record {fact['record'] + 1:,} of {records:,}"
        yield _line("shard", f"{storage.relative(found.shard, found.output.folder)}, {place}")
        yield _line("bytes", f"{fact['length']:,} from {fact['offset']:,} on, framing included")
    if found.row is not None:
        yield _line("source", f"{found.row['source']}, {_range(found)}")
        yield _line("file", found.row["filename"])


def _range(found: FoundImage) -> str:
    row = found.row or {}
    return f"{row['length']:,} bytes from {row['offset']:,} on"


def _known(found: FoundImage, record: StoredRecord | None) -> Iterator[str]:
    """Yield what is known of an image."""
    fact, repair, said = found.fact, found.repair, record.said if record is not None else {}
    size = f"{fact['width']} x {fact['height']} pixels"
    yield _line("image", f"{size}, {fact['bytes']:,} bytes; its source is {fact['mode']}")
    yield _line("xxh3-128", fact["xxh3_128"])
    if found.row is not None:
        row = found.row
        if row["class_index"] >= 0:
            yield _line("class", " ".join(filter(None, (row["class_id"], row["class_text"]))))
            yield _line("number", f"{row['class_index']} (from 0)")
        if row["labels"]:
            yield _line("labels", _numbers(tuple(row["labels"])))
        yield _line("boxes", counted(len(row["boxes"]), "box"))
    elif "class_id" in said:  # the record knows it, too
        texts = (str(said["class_id"]), str(said["class_text"]))
        yield _line("class", " ".join(filter(None, texts)))
    for name in ("id", "label", "labels"):
        if said.get(name):
            yield _line("record", f"{name} {_numbers(said[name])}")
    if repair is not None:
        yield _line("repair", f"{repair.reason or 'encoded anew'}, by {repair.codec}")
        yield _line("before", f"xxh3-128 {repair.source_xxh3_128}")
    elif fact["repair"]:
        yield _line("repair", fact["repair"])


def _numbers(value: object) -> str:
    """Return what a record says as a number, or as several."""
    if isinstance(value, tuple):
        return ", ".join(f"{each:g}" for each in value)
    return str(value)


def _boxes(found: FoundImage) -> Iterator[str]:
    """Yield the boxes of an image, in pixels and in fractions."""
    fact, row = found.fact, _row(found)
    for box, name in zip(row["boxes"], _names(found), strict=True):
        sides = (fact["width"], fact["height"]) * 2
        pixels = ", ".join(f"{part * side:.1f}" for part, side in zip(box, sides, strict=True))
        parts = ", ".join(f"{part:.6g}" for part in box)
        yield _line("box", f"{pixels} pixels ({parts}) {name}".rstrip())


def _names(found: FoundImage) -> list[str]:
    """Return the id of the class of each box; that of the image where a box has none."""
    row = _row(found)
    ids = row["box_ids"] or ("",) * len(row["boxes"])
    return [box_id or row["class_id"] for box_id in ids]


def _row(found: FoundImage) -> Any:
    if found.row is None:
        raise UsageError(
            "--boxes: the plan of this output, which has the boxes, was not kept",
            file=str(found.output.out),
            remedy="leave --boxes out, or run the command again that prepared the output",
        )
    return found.row


def _drawn(found: FoundImage, record: StoredRecord, target: Path) -> bytes:
    from pipeline.images import drawn_boxes  # noqa: PLC0415

    form = drawn_boxes.format_of(storage.extension(target.name))
    return drawn_boxes.with_boxes(record.image, _row(found)["boxes"], _names(found), form)


def _line(name: str, text: str) -> str:
    return f"  {name + ':':<10}{text}"
