"""Pages of Parquet columns: version 1, PLAIN, not compressed, each with the CRC-32 of its bytes.

A page, all numbers little-endian::

    PageHeader (Thrift) | u32 bytes of the repetition levels | these   where a list is in the path
                        | u32 bytes of the definition levels | these   where anything may be null
                        | the values, one after another

Levels are runs of one value: a varint (run << 1), and a byte. Texts and bytes have a u32 length
before them. Source: apache/parquet-format, README.md, Encodings.md and parquet.thrift.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from pipeline.formats.hfparquet import thrift
from pipeline.storage import Buffer

_LENGTH: Final = struct.Struct("<I")
_SIGN: Final = 1 << 31
_SIZE_AT: Final = 3  # of a header: where the bytes of the page stand
_BEHIND: Final = 11  # bytes of a header behind the checksum, of a page of few entries
_RLE, _PLAIN = 3, 0
_DATA_PAGE: Final = b"\x15\x00"  # the first field of a header
_NUMBER: Final = b"\x15"  # before each that follows: the next field, an integer of 32 bits


def levels(values: Iterable[int]) -> bytes:
    """Return levels as they stand in a page: their bytes, then the runs."""
    runs = b"".join(
        thrift.varint(sum(1 for _ in run) << 1) + bytes([level])
        for level, run in itertools.groupby(values)
    )
    return _LENGTH.pack(len(runs)) + runs


def texts(values: Sequence[Buffer]) -> bytes:
    """Return values of the type BYTE_ARRAY."""
    return b"".join(part for value in values for part in (_LENGTH.pack(len(value)), value))


def header(entries: int, size: int, crc: int) -> bytes:
    """Return the header of a page.

    Args:
        entries: of its levels.
        size: bytes of what follows the header.
        crc: the CRC-32 of these.
    """
    number = _NUMBER + thrift.integer(size)
    checksum = _NUMBER + thrift.integer(crc - (_SIGN << 1) if crc & _SIGN else crc)
    return b"".join((_DATA_PAGE, number, number, checksum, _data_header(entries)))


@lru_cache(maxsize=1024)
def _data_header(entries: int) -> bytes:
    """Return the end of a header, which says how the entries are encoded."""
    numbers = (entries, _PLAIN, _RLE, _RLE)
    data = [(at, thrift.I32, thrift.integer(value)) for at, value in enumerate(numbers, start=1)]
    return thrift.struct([(1, thrift.STRUCT, thrift.struct(data))])


def page(entries: int, body: bytes) -> bytes:
    """Return a page whole."""
    return header(entries, len(body), zlib.crc32(body)) + body


def one_value(level: int, size: int) -> bytes:
    """Return what precedes a value of the type BYTE_ARRAY that is alone in its page.

    Args:
        level: its definition level.
        size: of the value, in bytes.
    """
    return _one_level(level) + _LENGTH.pack(size)


@lru_cache
def _one_level(level: int) -> bytes:
    return levels([level])


def sizes(head: bytes) -> tuple[int, int]:
    """Return how many bytes a page has, and the header that is said to be at the front of it.

    Args:
        head: as `header` makes it for one entry, unchecked, and what follows it.
    """
    size, at = thrift.integer_at(head, _SIZE_AT)
    for _ in range(2):  # the same again, and the checksum
        _, at = thrift.integer_at(head, at + 1)
    return size, at + _BEHIND
