"""The framing of RecordIO: how records follow each other in a shard of MXNet.

A record is one part, or several where its payload holds the magic number at a multiple of 4 bytes
from its start: there it is cut, and the number, left out, stands for the cut. So a reader that
begins anywhere finds the next record. A part, all numbers little-endian::

    u32 0xced7230a | u32 flag << 29 | length | data | zeros up to a multiple of 4

The flag is 0 for a whole record, 1 for its first part, 2 for those between, 3 for the last.

Sources: dmlc-core, include/dmlc/recordio.h and src/recordio.cc.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from pipeline import storage
from pipeline.errors import OutputDamaged
from pipeline.formats.record import Placement
from pipeline.storage import Buffer, Location, Ranges, open_ranges

MAGIC: Final = 0xCED7230A
"""What every part begins with, u32."""

MAGIC_BYTES: Final = struct.pack("<I", MAGIC)
_WORD: Final = np.dtype("<u4")
_MAGIC_WORD: Final = _WORD.type(MAGIC)
_HEADER: Final = struct.Struct("<II")
FRAME_BYTES: Final = _HEADER.size
"""Bytes of a part in front of its data: magic number, and flag with length."""

_LENGTH_BITS: Final = 29
MAX_PAYLOAD: Final = (1 << _LENGTH_BITS) - 1
"""Bytes of a record at most, without framing."""

_WINDOW: Final = 1 << 20  # bytes that are read at once
_REMEDY: Final = "remove the file and run the shardmill command again: it is made anew"


class Flag(IntEnum):
    """Which part of its record a part is."""

    WHOLE = 0
    FIRST = 1
    MIDDLE = 2
    LAST = 3


class Part(NamedTuple):
    """A part of a record as it was read.

    Attributes:
        offset: where it begins, in bytes.
        flag: which part it is.
        length: bytes of its data.
        framed: all of it, header and padding included; a view that is valid until the next part
            is read.
    """

    offset: int
    flag: Flag
    length: int
    framed: memoryview

    @property
    def data(self) -> memoryview:
        """What stands between header and padding."""
        return self.framed[_HEADER.size : _HEADER.size + self.length]

    @property
    def begins(self) -> bool:
        """Whether a record begins with it."""
        return self.flag in (Flag.WHOLE, Flag.FIRST)

    @property
    def ends(self) -> bool:
        """Whether a record ends with it."""
        return self.flag in (Flag.WHOLE, Flag.LAST)


@dataclass(frozen=True, slots=True)
class RawRecord(Placement):
    """A record as it was read: where it stands, and its data.

    Attributes:
        data: the payload, put together again if it was cut; a view that is valid until the next
            record is read. `irheader.parse_header` reads it.
    """

    data: memoryview


def frame(opening: bytes, data: Buffer = b"") -> list[Buffer]:
    """Return buffers that are, end to end, the record of a payload of less than 512 MiB.

    Args:
        opening: the beginning of the payload, a multiple of 4 bytes.
        data: the rest of it, which is not copied unless it is cut.
    """
    length = len(opening) + len(data)
    padding = bytes(-length % 4)
    cuts = magics(opening) if MAGIC_BYTES in opening else []
    cuts += [len(opening) + place for place in magics(data)]
    if not cuts:
        return [_HEADER.pack(MAGIC, length) + opening, data, padding]
    payload = memoryview(opening + bytes(data))
    starts, stops = [0, *(cut + len(MAGIC_BYTES) for cut in cuts)], [*cuts, length]
    flags = [Flag.FIRST, *[Flag.MIDDLE] * (len(cuts) - 1), Flag.LAST]
    parts = [
        _HEADER.pack(MAGIC, flag << _LENGTH_BITS | stop - start) + payload[start:stop]
        for flag, start, stop in zip(flags, starts, stops, strict=True)
    ]
    return [b"".join(parts) + padding]


def read_records(path: Location, start: int = 0, before: int = 0) -> Iterator[RawRecord]:
    """Yield the records of a shard in order, all but their data checked.

    Holds one record in memory. The format has no checksum, and a shard that is cut between two
    records reads as a shorter one: only a manifest tells.

    Args:
        path: the shard.
        start: where the first record that is wanted begins, in bytes.
        before: how many records precede it, for errors.

    Raises:
        OutputDamaged: see `read_parts`.
    """
    offset, begun = 0, bytearray()
    for part in read_parts(path, start, before):
        end = part.offset + len(part.framed)
        if part.flag == Flag.WHOLE:
            yield RawRecord(part.offset, end - part.offset, part.data)
        elif part.begins:
            offset, begun = part.offset, bytearray(part.data)
        else:
            begun += MAGIC_BYTES
            begun += part.data
            if part.ends:
                yield RawRecord(offset, end - offset, memoryview(begun))


def read_parts(path: Location, start: int = 0, before: int = 0) -> Iterator[Part]:
    """Yield the parts that the records of a shard consist of, in order.

    Args:
        path: the shard.
        start: see `read_records`.
        before: see there.

    Raises:
        OutputDamaged: the file is missing or cut short; a part does not begin with the magic
            number, or has it where the record should have been cut; a flag does not continue what
            precedes it; a record has 512 MiB or more; padding is not of zeros. It names the
            1-based record and the byte offset of what is wrong.
    """
    if storage.stat(path) is None:
        raise OutputDamaged("the shard is missing", file=str(path), remedy=_REMEDY)
    with open_ranges(path) as file:
        reader = _PartReader(file, start, before)
        while part := reader.next():
            yield part


def magics(data: Buffer) -> list[int]:
    """Return where data holds the magic number at multiples of 4 bytes from its start."""
    words = np.frombuffer(data, _WORD, len(data) // _WORD.itemsize)
    places = (words == _MAGIC_WORD).nonzero()[0]
    offsets: list[int] = (places * _WORD.itemsize).tolist() if places.size else []
    return offsets


class _PartReader:
    """Walks through a shard, and knows which record it is at."""

    def __init__(self, file: Ranges, start: int, before: int) -> None:
        self._file = file
        self._window, self._start = memoryview(b""), 0
        self._at = start
        self._record = before  # how many began
        self._payload = 0  # bytes of the one at hand so far, the magic numbers it was cut at too
        self._inside = False  # whether it goes on

    def next(self) -> Part | None:
        """Return the next part; None at the end of the shard."""
        at = self._at
        if at == self._file.info.size and not self._inside:
            return None
        if not self._inside:
            self._record, self._payload = self._record + 1, -len(MAGIC_BYTES)
        self._require(at, _HEADER.size)
        magic, word = _HEADER.unpack(self._read(at, _HEADER.size))
        if magic != MAGIC:
            raise self._damaged(at, f"the magic number {MAGIC:#010x}", f"{magic:#010x}")
        kind, length = word >> _LENGTH_BITS, word & MAX_PAYLOAD
        self._check(kind, length)
        data = at + _HEADER.size
        padded = length + -length % 4
        self._require(data, padded)
        part = Part(at, Flag(kind), length, self._read(at, _HEADER.size + padded))
        self._check_data(part, data)
        self._inside = not part.ends
        self._at = at + len(part.framed)
        return part

    def _check(self, kind: int, length: int) -> None:
        """Check the second word of a header, before what it promises is read."""
        due = (Flag.MIDDLE, Flag.LAST) if self._inside else (Flag.WHOLE, Flag.FIRST)
        place = self._at + len(MAGIC_BYTES)
        if kind not in due:
            expected = f"the flag {due[0]:d} or {due[1]:d} of a part"
            raise self._damaged(place, expected, str(kind))
        if kind in (Flag.FIRST, Flag.MIDDLE) and length % 4:
            expected = "a multiple of 4 as the length of a part that is not the last"
            raise self._damaged(place, expected, str(length))
        self._payload += len(MAGIC_BYTES) + length
        if self._payload > MAX_PAYLOAD:
            raise self._damaged(place, f"a record of at most {MAX_PAYLOAD} bytes", "a longer one")

    def _check_data(self, part: Part, data: int) -> None:
        offsets = magics(part.data)
        if offsets:
            expected = f"another flag than {part.flag:d}: a record is cut at the magic number"
            raise self._damaged(data + offsets[0], expected, f"{MAGIC:#010x}")
        if any(part.framed[_HEADER.size + part.length :]):
            raise self._damaged(data + part.length, "padding of zeros", "something else")

    def _require(self, at: int, length: int) -> None:
        # What the file cannot hold is never allocated.
        left = self._file.info.size - at
        if left < length:
            raise self._damaged(at, f"{length} bytes", f"{left} bytes, then the end")

    def _read(self, at: int, length: int) -> memoryview:
        if at + length > self._start + len(self._window):
            most = max(length, min(_WINDOW, self._file.info.size - at))
            self._window, self._start = self._file.read(at, most), at
        view = self._window[at - self._start :][:length]
        if len(view) < length:
            raise self._damaged(at, f"{length} bytes", f"{len(view)} bytes: it was changed")
        return view

    def _damaged(self, at: int, expected: str, found: str) -> OutputDamaged:
        return OutputDamaged(
            "the shard is not as it was written",
            file=str(self._file.path),
            place=f"record {self._record}, byte {at}",
            expected=expected,
            found=found,
            remedy=_REMEDY,
        )
