"""One more shard format, to show what a format needs: this file, and a line of the registry.

A shard, all numbers little-endian::

    u32 records | u64 x images planned: offset of each record, 0 where there is none
    record      | u32 size of the text | u32 size of the image | the image's second half
                | the text: JSON of what is said of the image  | the image's first half

It is unlike the others where these are alike: an image is no part of its record as it is, the
table is written last over room that was left for it, and there is no index. A file of the whole
output names all shards.
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, cast

from pipeline.errors import OutputDamaged
from pipeline.formats import registry
from pipeline.formats.base import (
    RecordOptions,
    ShardFormat,
    ShardWriter,
    StoredRecord,
    WrittenShard,
)
from pipeline.formats.record import ImageRecord, Placement, stored_label
from pipeline.storage import Location, Ranges, StagedFile, open_ranges

_COUNT: Final = struct.Struct("<I")
_SIZES: Final = struct.Struct("<II")
_LISTED: Final = "shards.txt"


class Slots(ShardFormat):
    """Records that are found by a table of offsets, their images cut in two."""

    name = "slots"
    title = "Slots"
    version = 1
    label_offset = 7

    def files(self, stem: str) -> tuple[str, ...]:
        """Return the shard alone."""
        return (f"{stem}.slots",)

    def whole_files(self) -> tuple[str, ...]:
        """Return the list of the shards."""
        return (*super().whole_files(), _LISTED)

    def whole(
        self, split: str, shards: Sequence[WrittenShard], options: RecordOptions
    ) -> Mapping[str, Iterable[bytes]]:
        """Return the list of the shards."""
        lines = (f"{self.files(each.stem)[0]}\t{each.records}\n".encode() for each in shards)
        return {**super().whole(split, shards, options), _LISTED: lines}

    def writer(
        self, files: Sequence[StagedFile], options: RecordOptions, records: int
    ) -> ShardWriter:
        """Return a writer that leaves room for the table of so many records."""
        (file,) = files
        return _Writer(self, file, options, records)

    def read(self, path: Location) -> Iterator[StoredRecord]:
        """Yield the records that the table names; they follow each other up to the end."""
        with open_ranges(path) as file:
            offsets = _table(file)
            for number, (start, stop) in enumerate(itertools.pairwise(offsets)):
                data = file.read(start, stop - start)
                sizes = _SIZES.unpack(data[: _SIZES.size]) if len(data) >= _SIZES.size else ()
                if len(data) != _SIZES.size + sum(sizes) or len(data) != stop - start:
                    raise _damaged(path, f"record {number + 1}, byte {start}", "another size")
                yield StoredRecord(start, len(data), data)

    def parse(self, record: StoredRecord, file: str) -> tuple[dict[str, object], memoryview]:
        """Return what the text says, and the image put together."""
        text, size = _SIZES.unpack(record.data[: _SIZES.size])
        body, cut = record.data[_SIZES.size :], size - size // 2
        encoded = memoryview(bytes(body[cut + text :]) + bytes(body[:cut]))
        try:
            found: dict[str, object] = json.loads(bytes(body[cut : cut + text]))
        except ValueError as error:
            raise _damaged(file, "its text", str(error)) from error
        return found, encoded

    def fields(self, record: ImageRecord, options: RecordOptions) -> dict[str, object]:
        """Return what the text says of an image."""
        return {
            "filename": record.filename,
            "width": record.width,
            "height": record.height,
            "key": record.key,
            "label": stored_label(record.class_index, options.label_offset),
            "boxes": [list(box) for box in record.boxes],
        }


class _Writer:
    def __init__(self, form: Slots, file: StagedFile, options: RecordOptions, records: int) -> None:
        self._form, self._file, self._options = form, file, options
        self._table = [0] * records
        self._written = 0
        file.write(bytes(_COUNT.size + 8 * records))

    def write(self, record: ImageRecord) -> Placement:
        text = json.dumps(self._form.fields(record, self._options)).encode()
        encoded, at = memoryview(record.encoded), self._file.size
        half, sizes = len(encoded) // 2, _SIZES.pack(len(text), len(encoded))
        size = self._file.write(sizes, encoded[half:], text, encoded[:half])
        self._table[self._written] = at
        self._written += 1
        return Placement(at, size)

    def finish(self) -> None:
        table = struct.pack(f"<{len(self._table)}Q", *self._table)
        self._file.write_at(0, _COUNT.pack(self._written), table)


def _table(file: Ranges) -> list[int]:
    """Return where the records begin, and where the last one ends."""
    size = file.info.size
    (count,) = _COUNT.unpack(file.read(0, _COUNT.size)) if size >= _COUNT.size else (0,)
    raw = file.read(_COUNT.size, min(size, 8 * count))
    first = _COUNT.size + 8 * count
    if not count or len(raw) != 8 * count:
        raise _damaged(file.path, "the table", f"{count} records in {size} bytes")
    offsets = [*struct.unpack(f"<{count}Q", raw), size]
    if offsets[0] < first or any(b <= a for a, b in itertools.pairwise(offsets)):
        raise _damaged(file.path, "the table", "offsets that do not ascend")
    if any(file.read(first, offsets[0] - first)):  # room for images that were left out
        raise _damaged(file.path, "the table", "more offsets than records")
    return offsets


def _damaged(file: Location | str, place: str, found: str) -> OutputDamaged:
    return OutputDamaged("not a shard as it is written", file=str(file), place=place, found=found)


def register() -> None:
    """Put the format into the registry: its one line, of this process alone.

    What the program makes of the registry, it makes when it is imported: this comes before.
    """
    for known in (registry.ALL, registry.FORMATS):
        cast("dict[str, ShardFormat]", known)[Slots.name] = Slots()
