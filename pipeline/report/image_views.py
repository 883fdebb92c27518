"""An image on a contact sheet, as a page shows it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from pipeline import plaintext
from pipeline.catalog import objects
from pipeline.quantities import counted, size
from pipeline.report import places, thumbnails
from pipeline.report.gathered import Gathered, GatheredSplit
from pipeline.report.view import BoxView, ImageView

_FLAGS = {
    objects.OCCLUDED: "occluded",
    objects.TRUNCATED: "truncated",
    objects.GROUP: "group",
    objects.DEPICTION: "depiction",
    objects.INSIDE: "inside",
    objects.DIFFICULT: "difficult",
}
_MOST_CHIPS = 4


def image_view(
    gathered: Gathered, split: GatheredSplit, row: Mapping[str, Any], up: str
) -> ImageView:
    """Return an image as a page shows it.

    Args:
        gathered: all that was made.
        split: that the image is of.
        row: of `tables.CHOSEN`.
        up: the way from the page to the folder of the report, with a slash at its end; "": none.
    """
    sheet, cell = row["sheet"], row["cell"]
    drawn = split.drawn.get((sheet, cell))
    folder = f"{up}{split.digest}/{split.name}/"
    width, height = thumbnails.sheet_size(split.cells(sheet))
    has_images = split.output.shard_format.holds_images
    if drawn is None:
        damaged = "not drawn" if has_images else "this output has no shards to read it from"
    else:
        damaged = "" if drawn.width else drawn.damaged  # one that only lacks a mask is shown
    names = [_object_name(gathered, row, each) for each in row["objects"]]
    x, y, shown_width, shown_height = (
        (drawn.x, drawn.y, drawn.width, drawn.height) if drawn else (0, 0, 0, 0)
    )
    return ImageView(
        anchor=anchor(split.number, sheet, cell),
        key=row["key"],
        facts=f"{row['width']:,} x {row['height']:,}, {size(row['bytes'])}, {row['mode']}",
        labels=", ".join(f"{label:g}" for label in row["labels"]),
        repair=row["repair"],
        chips=_chips(names),
        sheet=folder + places.sheet_name(sheet),
        sheet_width=width,
        sheet_height=height,
        x=x,
        y=y,
        width=shown_width,
        height=shown_height,
        masks=folder + places.masks_name(sheet) if drawn and drawn.masks else "",
        boxes=tuple(
            _box(number, each, name, (x, y, shown_width, shown_height))
            for number, (each, name) in enumerate(zip(row["objects"], names, strict=True))
        ),
        full=folder + drawn.file if drawn and drawn.file else "",
        command=show_command(split.name, row["key"]) if has_images else "",
        damaged=damaged,
    )


def anchor(split: int, sheet: int, cell: int) -> str:
    """Return the id of an image on a page: no text of the data is in it."""
    return f"i{split}-{sheet}-{cell}"


def show_command(split: str, key: str) -> str:
    """Return the command that writes an image to a file; "": it could not be copied as it is."""
    words = ("shardmill", "show", "OUT", key, "--split", split, "--save", "FILE")
    return shlex.join(words) if plaintext.is_plain(key) and not key.startswith("-") else ""


def _object_name(gathered: Gathered, row: Mapping[str, Any], each: Mapping[str, Any]) -> str:
    """Return what an object is of: its class, or that of the image where it names none."""
    index = each["class_index"] if each["class_index"] >= 0 else row["class_index"]
    known = gathered.by_index.get(index)
    return known.name if known is not None else each["class_id"] or f"class {index}"


def _chips(names: list[str]) -> tuple[str, ...]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    chips = [f"{count} x {plaintext.beginning(name, 40)}" for name, count in counts.items()]
    more = len(chips) - _MOST_CHIPS
    return (*chips[:_MOST_CHIPS], *([f"and {counted(more, 'class')} more"] if more > 0 else []))


def _box(
    number: int, each: Mapping[str, Any], name: str, place: tuple[int, int, int, int]
) -> BoxView:
    x, y, width, height = place
    left, top = x + each["xmin"] * width, y + each["ymin"] * height
    flags = [word for bit, word in _FLAGS.items() if (each["flags"] or 0) & bit]
    return BoxView(
        x=round(left, 1),
        y=round(top, 1),
        width=round(max(0.0, (each["xmax"] - each["xmin"]) * width), 1),
        height=round(max(0.0, (each["ymax"] - each["ymin"]) * height), 1),
        color=thumbnails.COLORS[number % len(thumbnails.COLORS)],
        label=", ".join((name, *flags)),
    )
