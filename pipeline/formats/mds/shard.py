"""MDS shards: a table of offsets, what the columns are, and the samples.

A shard, all numbers little-endian::

    u32 samples | u32 x (images planned + 1): offset of each sample, and where the last one ends;
    0 where an image was left out | the columns, JSON | the samples

A sample has the size of each value that is not always as long, u32, then the values. Nothing in it
is a checksum: the index has one of each shard, and the facts one of each image.

Source: mosaicml/streaming, streaming/base/format/mds/writer.py.
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pipeline import storage
from pipeline.errors import InputRefused, OutputDamaged
from pipeline.formats.base import RecordOptions, StoredRecord
from pipeline.formats.mds import columns
from pipeline.formats.mds.columns import Columns
from pipeline.formats.record import ImageRecord, Placement
from pipeline.storage import Location, Ranges, StagedFile, open_ranges

WRITER_VERSION: int = 1
"""Part of the output digest: raise it when the same records would give other bytes."""
FORMAT: Final = {"compression": None, "format": "mds", "size_limit": None, "version": 2}
"""What index and shards say of the format."""

_NUMBER: Final = struct.Struct("<I")
_MOST: Final = (1 << 32) - 1  # bytes of a shard
_REMEDY: Final = "remove the file and run the shardmill command again: it is made anew"


@dataclass(frozen=True, slots=True)
class Sample:
    """The columns of a sample that was read, and where its image begins in it."""

    columns: Columns
    image: int


def said_of(of: Columns) -> bytes:
    """Return what a shard says of its columns."""
    return json.dumps({**FORMAT, **of.described(), "hashes": []}, sort_keys=True).encode()


def envelope(record: ImageRecord, options: RecordOptions, of: Columns) -> tuple[bytes, bytes]:
    """Return what stands before and after the image in a sample.

    Args:
        record: the image.
        options: of the records.
        of: their columns, as `columns.columns` returns them.

    Raises:
        BadAnnotation: there is no column for what is said of the image.
    """
    values = columns.said(record, options, of)
    encoded = {
        name: columns.encoded(name, of.encodings[name], value) for name, value in values.items()
    }
    return of.wrap(encoded, len(record.encoded))


class MdsWriter:
    """Writes the samples of one shard; publishes nothing.

    Args:
        file: the shard.
        options: of the records.
        records: how many are planned.
    """

    def __init__(self, file: StagedFile, options: RecordOptions, records: int) -> None:
        self._file, self._options = file, options
        self._columns = columns.columns(options)
        file.hash_at_end()
        file.write(bytes(_NUMBER.size * (records + 2)), said_of(self._columns))
        self._offsets, self._planned = [file.size], records

    def write(self, record: ImageRecord) -> Placement:
        """Append a sample; its image is written from where it stands, uncopied.

        Raises:
            BadAnnotation: there is no column for what is said of the image.
            InputRefused: the shard would have 4 GiB.
        """
        before, after = envelope(record, self._options, self._columns)
        start = self._file.size
        end = start + len(before) + len(record.encoded) + len(after)
        if end > _MOST:
            raise InputRefused(
                "an MDS shard has 4 GiB at most",
                file=str(self._file.path),
                place=record.key,
                found=f"{end:,} bytes",
                remedy="ask for more shards with --shards",
            )
        if len(self._offsets) > self._planned:
            raise ValueError(f"more than the {self._planned} samples that were planned")
        self._offsets.append(end)
        return Placement(start, self._file.write(before, record.encoded, after))

    def finish(self) -> None:
        """Write the table of offsets."""
        count = len(self._offsets)
        table = struct.pack(f"<{count}I", *self._offsets)
        self._file.write_at(0, _NUMBER.pack(count - 1), table)


def read_samples(path: Location) -> Iterator[StoredRecord]:
    """Yield the samples of a shard in order, its table and what it says of its columns checked.

    Raises:
        OutputDamaged: the file is missing or not as it is written.
    """
    if storage.stat(path) is None:
        raise OutputDamaged("the shard is missing", file=str(path), remedy=_REMEDY)
    with open_ranges(path) as file:
        of, offsets = _head(file)
        for number, (start, end) in enumerate(itertools.pairwise(offsets), start=1):
            sample = file.read(start, end - start)
            try:
                image = _image_at(of, sample)
            except (ValueError, struct.error) as error:
                raise damaged(path, f"record {number}, byte {start}", str(error)) from error
            yield StoredRecord(start, len(sample), sample, b"", Sample(of, image))


def parsed(record: StoredRecord, sample: Sample, file: str) -> tuple[dict[str, Any], memoryview]:
    """Return the value of each column but the image's, and the image.

    Raises:
        OutputDamaged: a value is none of its column.
    """
    values = sample.columns.split(record.data)
    said = dict[str, Any]()
    for name, encoding in sample.columns.encodings.items():
        if name != columns.IMAGE:
            try:
                said[name] = columns.decoded(encoding, values[name])
            except (ValueError, struct.error, RecursionError) as error:
                raise damaged(file, f"column {name}", str(error)) from error
    return said, values[columns.IMAGE]


def damaged(file: Location | str, place: str, found: str) -> OutputDamaged:
    """Return the error for what is not as it is written."""
    what = "the shard is not as it was written"
    return OutputDamaged(what, file=str(file), place=place, found=found, remedy=_REMEDY)


def _image_at(of: Columns, sample: memoryview) -> int:
    """Return where the image begins in a sample whose columns are as long as it says."""
    values = of.split(sample)
    behind = itertools.dropwhile(lambda name: name != columns.IMAGE, values)
    return len(sample) - sum(len(values[name]) for name in behind)


def _head(file: Ranges) -> tuple[Columns, list[int]]:
    """Return what the samples have, where they begin, and where the last one ends."""
    size = file.info.size
    raw = bytes(file.read(0, _NUMBER.size))
    count = _NUMBER.unpack(raw)[0] if len(raw) == _NUMBER.size else 0
    length = _NUMBER.size * (count + 1)
    table = bytes(file.read(_NUMBER.size, min(length, size)))
    if not count or len(table) < length:
        raise damaged(file.path, "the table of offsets", f"{count} samples in {size} bytes")
    offsets = list(struct.unpack(f"<{count + 1}I", table))
    begins, said_at = offsets[0], _NUMBER.size + length
    if any(b <= a for a, b in itertools.pairwise(offsets)) or offsets[-1] != size:
        raise damaged(file.path, "the table of offsets", "offsets that do not ascend to the end")
    said = bytes(file.read(said_at, max(0, begins - said_at))).lstrip(b"\0")
    try:
        found = json.loads(said)
        pairs = zip(found["column_names"], found["column_encodings"], strict=True)
        of = Columns({str(name): str(encoding) for name, encoding in pairs})
        if said_of(of) != said or columns.IMAGE not in of.encodings:
            raise ValueError("others than are written")
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise damaged(file.path, f"the columns, byte {said_at}", str(error)) from error
    return of, offsets
