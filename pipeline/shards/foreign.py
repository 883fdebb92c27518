"""Images in shards of any program: the format that recognises a file reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pipeline import storage
from pipeline.archives.parquet_names import PARQUET
from pipeline.errors import InputRefused, OutputDamaged, UsageError
from pipeline.formats.found import FoundImage, Note, ReadsOthers
from pipeline.formats.registry import FORMATS, is_cut
from pipeline.storage import Location

__all__ = ["READ", "FoundImage", "Note", "format_of", "images", "is_cut", "label_offset"]

_READERS: Final = {name: each for name, each in FORMATS.items() if isinstance(each, ReadsOthers)}
_ARCHIVES: Final = (".tar", PARQUET)
READ: Final = tuple(
    name
    for name, each in FORMATS.items()
    if name in _READERS or each.files("")[0].endswith(_ARCHIVES)
)
"""The formats of outputs whose shards may be read: those of `_READERS`, tars and Parquet files."""
NOT_READ: Final = tuple(name for name in FORMATS if name not in READ)
"""Those that are only written."""
ENDS: Final = tuple(end for each in _READERS.values() for end in each.ends)
"""What names of shards end in that are told by these."""
PLAIN_NAMES: Final = frozenset(each.plain_name for each in _READERS.values() if each.plain_name)
"""What shards are called that no split names."""
_HEAD: Final = 512  # bytes by which a file is recognised


def check_read(name: str) -> None:
    """Check that shards of a format may be a source.

    Raises:
        UsageError: they may not.
    """
    if name in NOT_READ:
        raise UsageError(
            f"{FORMATS[name].title} shards are written, and not read as a source",
            expected=f"--from {', '.join(READ)}",
            found=f"--from {name}",
            remedy="name one of these that the output has, too; or read what it was made of",
        )


def format_of(path: Location) -> str | None:
    """Return the name of the format that a file is a shard of; None: of none that is read."""
    with storage.open_ranges(path) as file:
        head = bytes(file.read(0, _HEAD))
    named = (name for name, each in _READERS.items() if path.name.lower().endswith(each.ends))
    told = (name for name, each in _READERS.items() if each.is_shard(head))
    return next(named, None) or next(told, None)


def shards_beside(path: Location) -> tuple[str, ...]:
    """Return the shards that should be in the folder of one that its name tells, by their names."""
    for each in _READERS.values():
        if path.name.lower().endswith(each.ends):
            return each.shards_beside(path)
    return ()


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
