"""TFRecord shards, with the index that DALI reads them by.

A record, all numbers little-endian::

    u64 length | u32 masked CRC-32C of those 8 bytes | data | u32 masked CRC-32C of data

Sources: tensorflow/core/lib/io/record_writer.h for the framing; NVIDIA DALI's tfrecord2idx for
the index, a line ``<offset> <size>`` per record, in bytes, framing included.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import crc32c

from pipeline import storage
from pipeline.errors import OutputDamaged
from pipeline.formats.examples.example import encode_head
from pipeline.formats.record import ImageRecord, Placement
from pipeline.storage import Buffer, Location, Ranges, StagedFile, open_ranges

WRITER_VERSION: int = 1
"""Part of the output digest: raise it when the same records would give other bytes."""

_LENGTH: Final = struct.Struct("<Q")
_CRC: Final = struct.Struct("<I")
_HEADER: Final = struct.Struct("<QI")
_FRAMING: Final = _HEADER.size + _CRC.size
_MASK_DELTA: Final = 0xA282EAD8
_REMEDY: Final = "remove the file and run the shardmill command again: it is made anew"


@dataclass(frozen=True, slots=True)
class RawRecord(Placement):
    """A record as it was read: where it stands, and its data.

    Attributes:
        data: the bytes between the framing; a view that is valid until the next record is read.
    """

    data: memoryview


class TFRecordWriter:
    """Writes the records of one shard, and its index; publishes neither.

    Args:
        shard: the TFRecord file.
        index: the DALI index, written by `finish`.
        label_offset: added to each class index, see `encode_head`.
        described: whether each object is described, see there.
    """

    def __init__(
        self, shard: StagedFile, index: StagedFile, *, label_offset: int, described: bool = False
    ) -> None:
        self._shard = shard
        self._index = index
        self._label_offset = label_offset
        self._described = described
        self._placements: list[Placement] = []

    def write(self, record: ImageRecord) -> Placement:
        """Append a record; its image is written from where it stands, uncopied.

        Raises:
            BadImage: see `encode_head`.
            ShardmillError: the file cannot be written, see `StagedFile.write`.
        """
        head = encode_head(record, self._label_offset, described=self._described)
        encoded = record.encoded
        opening = frame_header(len(head) + len(encoded)) + head
        closing = _CRC.pack(masked_crc32c(head, encoded))
        placement = Placement(self._shard.size, len(opening) + len(encoded) + len(closing))
        self._shard.write(opening, encoded, closing)
        self._placements.append(placement)
        return placement

    def finish(self) -> None:
        """Write the index of all records written."""
        self._index.write(index_lines(self._placements))


def masked_crc32c(*buffers: Buffer) -> int:
    """Return the CRC-32C (Castagnoli) of the buffers end to end, masked as TFRecord stores it.

    The mask is a rotation right by 15 bits and the addition of 0xa282ead8, modulo 2**32.
    """
    crc = 0
    for buffer in buffers:
        crc = crc32c.crc32c(buffer, crc)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def frame_header(length: int) -> bytes:
    """Return the 12 bytes that precede `length` bytes of data."""
    packed = _LENGTH.pack(length)
    return packed + _CRC.pack(masked_crc32c(packed))


def index_lines(placements: Iterable[Placement]) -> bytes:
    """Return the content of a DALI index: a line ``<offset> <size>`` per record."""
    return b"".join(b"%d %d\n" % (record.offset, record.length) for record in placements)


def unframed(view: memoryview) -> memoryview | None:
    """Return the data of a record, unchecked; None if the view is too short for one."""
    return view[_HEADER.size : -_CRC.size] if len(view) >= _FRAMING else None


def read_records(path: Location) -> Iterator[RawRecord]:
    """Yield the records of a TFRecord file in order, each with both checksums verified.

    Holds one record in memory. A file cut between two records reads as a shorter one: only a
    manifest knows how many there were.

    Raises:
        OutputDamaged: the file is missing, a checksum is wrong or a record is cut short; it
            names the 1-based record and the byte offset of what is wrong.
    """
    if storage.stat(path) is None:
        raise OutputDamaged("the shard is missing", file=str(path), remedy=_REMEDY)
    with open_ranges(path) as file:
        offset, number = 0, 1
        while offset < file.info.size:
            record = _read_record(file, offset, number)
            yield record
            offset, number = offset + record.length, number + 1


def _read_record(file: Ranges, offset: int, number: int) -> RawRecord:
    header = bytes(file.read(offset, _HEADER.size))
    if len(header) < _HEADER.size:
        expected = f"a header of {_HEADER.size} bytes"
        raise _cut_short(file, offset, number, expected, f"{len(header)} bytes, then the end")
    length, stored = _HEADER.unpack(header)
    computed = masked_crc32c(header[: _LENGTH.size])
    if stored != computed:
        place = offset + _LENGTH.size
        raise _mismatch(file, place, number, f"the length ({length})", computed, stored)
    place, rest = offset + _HEADER.size, length + _CRC.size
    # What the file cannot hold is never allocated.
    view = file.read(place, min(rest, file.info.size - place))
    if len(view) < rest:
        expected = f"{length} bytes of data and {_CRC.size} of checksum"
        raise _cut_short(file, place, number, expected, f"{len(view)} bytes, then the end")
    data = view[:length]
    (stored,) = _CRC.unpack(view[length:])
    computed = masked_crc32c(data)
    if stored != computed:
        raise _mismatch(file, place, number, f"{length} bytes of data", computed, stored)
    return RawRecord(offset, _FRAMING + length, data)


def _cut_short(file: Ranges, place: int, number: int, expected: str, found: str) -> OutputDamaged:
    return _damaged(file, "the shard is cut short", place, number, expected, found)


def _mismatch(
    file: Ranges, place: int, number: int, of: str, computed: int, stored: int
) -> OutputDamaged:
    what = "a checksum of the shard does not match"
    expected = f"masked CRC-32C {computed:#010x}, computed of {of}"
    return _damaged(file, what, place, number, expected, f"{stored:#010x}")


def _damaged(
    file: Ranges, what: str, place: int, number: int, expected: str, found: str
) -> OutputDamaged:
    return OutputDamaged(
        what,
        file=str(file.path),
        place=f"record {number}, byte {place}",
        expected=expected,
        found=found,
        remedy=_REMEDY,
    )
