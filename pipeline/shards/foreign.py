"""Images in shards of any program: the format that recognises a file reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pipeline import storage
from pipeline.errors import InputRefused, OutputDamaged
from pipeline.formats.found import FoundImage, Note, ReadsOthers
from pipeline.formats.registry import FORMATS, is_cut
from pipeline.storage import Location

__all__ = ["READ", "FoundImage", "Note", "format_of", "images", "is_cut", "label_offset"]

READ: Final = tuple(name for name, each in FORMATS.items() if not each.has_columns)
"""The formats of outputs whose shards may be read: those of `_READERS`, and tars."""

_READERS: Final = {name: each for name, each in FORMATS.items() if isinstance(each, ReadsOthers)}
_HEAD: Final = 512  # bytes by which a file is recognised


def format_of(path: Location) -> str | None:
    """Return the name of the format that a file is a shard of; None: of none that is read."""
    with storage.open_ranges(path) as file:
        head = bytes(file.read(0, _HEAD))
    return next((name for name, each in _READERS.items() if each.is_shard(head)), None)


def images(path: Location, name: str, note: Note) -> Iterator[FoundImage]:
    """Yield the images of a shard, in order.

    Args:
        path: of the shard.
        name: of its format, see `format_of`.
        note: is told of records without an image.

    Raises:
        InputRefused: the shard is cut short or damaged, or an image stands in two pieces.
    """
    try:
        yield from _READERS[name].images(path, note)
    except OutputDamaged as error:
        raise InputRefused(
            error.what,
            file=error.file or str(path),
            place=error.place,
            expected=error.expected,
            found=error.found,
            remedy="get the shard again from where it came from, or leave it out",
        ) from error


def label_offset(name: str) -> int:
    """Return what is usually added to class indexes in a format."""
    return FORMATS[name].label_offset
