"""The images in RecordIO shards of any program, such as MXNet's im2rec.

Where an image list lies beside a shard, ``NAME.lst`` beside ``NAME.rec``, and has a line for each
id, images are called as it calls them; else by their ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pipeline import storage
from pipeline.errors import InputRefused
from pipeline.formats.found import FoundImage, Note
from pipeline.formats.recordio.framing import Flag, read_parts
from pipeline.formats.recordio.header import parse_header
from pipeline.storage import Location

_PART_HEADER: Final = 8  # bytes in front of the data of a part
_MOST_BYTES: Final = 1 << 30  # of an image list; some 20 million images
_FIELDS: Final = 3  # of a line of it, at least: an id, a label, a path


def images(path: Location, note: Note) -> Iterator[FoundImage]:
    """Yield the images of a shard in order.

    Raises:
        OutputDamaged: see `framing.read_parts`, and `header.parse_header`.
        InputRefused: the bytes of an image are cut in two, because they hold the magic number.
    """
    names = _names(storage.with_suffix(path, ".lst"))
    number = 0
    for part in read_parts(path):
        if not part.begins:
            continue
        number += 1
        place = f"{path}, record {number}"
        if part.flag is not Flag.WHOLE:
            raise InputRefused(
                "the bytes of an image are cut in two by the magic number of RecordIO",
                file=str(path),
                place=f"record {number}, byte {part.offset}",
                expected="images that stand in one piece, which are read where they stand",
                remedy="read shards of these images in another format, or their source",
            )
        parsed = parse_header(part.data, file=place)
        if not len(parsed.encoded):
            note("a record without an image", place)
            continue
        label = parsed.labels[0] if len(parsed.labels) == 1 else None
        whole = label is not None and label.is_integer()
        yield FoundImage(
            name=names.get(parsed.id, str(parsed.id)),
            offset=part.offset + _PART_HEADER + part.length - len(parsed.encoded),
            encoded=parsed.encoded,
            label=int(label) if label is not None and whole and label >= 0 else None,
            labels=() if whole else parsed.labels,
        )


def _names(listing: Location) -> Mapping[int, str]:
    """Return the path that an image list has for each id; none where there is no such list."""
    if storage.stat(listing) is None:
        return {}
    names: dict[int, str] = {}
    for line in storage.read_bytes(listing, _MOST_BYTES).decode(errors="replace").splitlines():
        fields = line.split("\t")
        if len(fields) >= _FIELDS and fields[0].isascii() and fields[0].isdigit():
            names[int(fields[0])] = fields[-1]
    return names
