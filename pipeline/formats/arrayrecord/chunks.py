"""Chunks of Riegeli, the form of ArrayRecord files, as far as they are written uncompressed.

A file is a sequence of chunks, interrupted by a header of 24 bytes at each multiple of 64 KiB::

    u64 hash of the rest | u64 bytes since the chunk began | u64 bytes until it ends

A chunk, all numbers little-endian::

    u64 hash of the rest of these 40 bytes | u64 size of data | u64 hash of data
    u8 type, u56 records | u64 bytes of all records | data

The data of a chunk of records, type ``r``: a byte that says uncompressed, 0; the size of the sizes,
a varint; the size of each record, varints; the records. A chunk that would end in a block's header
or right behind it does not occur: a header at the end of a chunk belongs to the next one.

The hashes are HighwayHash, which nothing here computes: the manifest has a hash of the whole file,
and the facts one of each image.

Source: google/riegeli, doc/riegeli_records_file_format.md.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline.formats.examples.wire import encode_varint

BLOCK: Final = 1 << 16
"""Bytes from one block header to the next, it included."""
RECORDS: Final = ord("r")
PADDING: Final = ord("p")
SIGNATURE: Final = bytes.fromhex(
    "83af70d10d884a3f0000000000000000400000000000000091bac23c9287e1a9"
    "0000000000000000e19f13c0e9b1c3727300000000000000" + "00" * 8
)
"""What every file begins with: a block header, and a chunk of type ``s`` without data."""

_BLOCK_HEADER: Final = struct.Struct("<QQQ")
_HEADER: Final = struct.Struct("<QQQQQ")
_USABLE: Final = BLOCK - _BLOCK_HEADER.size
_SEVEN_BITS: Final = 0x7F
_LONGEST_VARINT: Final = 10
HEADER_SIZE: Final = _HEADER.size
"""Bytes of a chunk before its data."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk that was read.

    Attributes:
        kind: its type.
        records: how many it has.
        content: bytes of all records.
        data: what follows its header, without the headers of blocks.
    """

    kind: int
    records: int
    content: int
    data: memoryview


def read_varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the number at a place, and where it ends.

    Raises:
        ValueError: it has no end.
    """
    value = 0
    for place, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        value |= (byte & _SEVEN_BITS) << 7 * place
        if byte <= _SEVEN_BITS:
            return value, at + place + 1
    raise ValueError(f"a number that does not end at byte {at}")


def data_of(sizes: Sequence[int]) -> bytes:
    """Return what stands in the data of a chunk of records before them."""
    encoded = b"".join(map(encode_varint, sizes))
    return b"\0" + encode_varint(len(encoded)) + encoded


def end_of(begin: int, size: int) -> int:
    """Return where a chunk ends, by the bytes of header and data, headers of blocks left out."""
    headers = (size + (begin + _USABLE - 1) % BLOCK) // _USABLE
    return begin + size + headers * _BLOCK_HEADER.size


def record_end(begin: int, size: int) -> int:
    """Return where a chunk of one record of so many bytes ends."""
    return end_of(begin, HEADER_SIZE + len(data_of([size])) + size)


def without_headers(view: memoryview, begin: int, *, checked: bool = True) -> bytes:
    """Return what a whole chunk is without the headers of blocks.

    Args:
        view: all of the chunk.
        begin: where it begins in the file.
        checked: whether to look at what the headers say of it.

    Raises:
        ValueError: a header is not of this chunk.
    """
    end, parts, at = begin + len(view), list[memoryview](), 0
    for block in range(begin + -begin % BLOCK, end, BLOCK):
        place = block - begin
        parts.append(view[at:place])
        at = place + _BLOCK_HEADER.size
        if checked:
            _, since, until = _BLOCK_HEADER.unpack(view[place:at])
            if (since, until) != (place, end - block):
                raise ValueError(f"a block at byte {block} of another chunk")
    parts.append(view[at:])
    return b"".join(parts)


def chunk(content: bytes) -> Chunk:
    """Return a chunk, given without the headers of blocks.

    Raises:
        ValueError: it is not as long as it says.
    """
    if len(content) < HEADER_SIZE:
        raise ValueError(f"{len(content)} bytes of a chunk")
    _, size, _, kind, total = _HEADER.unpack_from(content)
    data = memoryview(content)[HEADER_SIZE:]
    if size != len(data):
        raise ValueError(f"a chunk of {size} bytes of data that has {len(data)}")
    return Chunk(kind & 0xFF, kind >> 8, total, data)


def data_size(header: bytes) -> int:
    """Return how many bytes of data follow the header of a chunk."""
    size: int = _HEADER.unpack(header)[1]
    return size


def is_padding(found: Chunk) -> bool:
    """Whether a chunk only takes room: it has no records, and zeros for data."""
    return (found.kind, found.records) == (PADDING, 0) and not bytes(found.data).strip(b"\0")


def records(found: Chunk) -> Iterator[memoryview]:
    """Yield the records of a chunk.

    Raises:
        ValueError: it is no uncompressed chunk of records, or these are not as long as it says.
    """
    data = found.data
    if found.kind != RECORDS or not data or data[0]:
        raise ValueError("no chunk of uncompressed records")
    length, at = read_varint(data, 1)
    end = at + length
    begins = [end]
    while at < end:
        size, at = read_varint(data, at)
        begins.append(begins[-1] + size)
    if at != end or begins[-1] != len(data) or len(begins) != found.records + 1:
        raise ValueError(f"{len(begins) - 1} records of {begins[-1] - end} bytes")
    if found.content != begins[-1] - end:
        raise ValueError(f"a chunk that says {found.content} bytes of records")
    for number in range(found.records):
        yield data[begins[number] : begins[number + 1]]
