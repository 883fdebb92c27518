"""Thrift's compact protocol, as far as Parquet's page headers and footers need it to be written.

A struct is a sequence of fields in ascending order of their ids, then a zero byte; a field is a
byte of (id less the id before << 4 | type) and its value; an integer is a zigzag varint.

Source: Apache Thrift, doc/specs/thrift-compact-protocol.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

I16: Final = 4
I32: Final = 5
I64: Final = 6
BINARY: Final = 8
LIST: Final = 9
STRUCT: Final = 12

Field: TypeAlias = tuple[int, int, bytes]
"""Id, type, and the encoded value."""

_SEVEN_BITS: Final = 0x7F
_LONG_LIST: Final = 15
_LONGEST: Final = 10  # bytes of a varint of 64 bits


def varint(value: int) -> bytes:
    """Return an unsigned integer, 7 bits a byte, lowest first."""
    encoded = bytearray()
    while value > _SEVEN_BITS:
        encoded.append(value & _SEVEN_BITS | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def integer(value: int) -> bytes:
    """Return a signed integer of up to 64 bits."""
    return varint(value << 1 if value >= 0 else (-value << 1) - 1)


def text(value: str) -> bytes:
    """Return a text as UTF-8, its length before it."""
    encoded = value.encode()
    return varint(len(encoded)) + encoded


def sequence(kind: int, values: Sequence[bytes]) -> bytes:
    """Return a list of encoded values of one type."""
    count = len(values)
    if count < _LONG_LIST:
        return bytes([count << 4 | kind]) + b"".join(values)
    return bytes([_LONG_LIST << 4 | kind]) + varint(count) + b"".join(values)


def struct(fields: Iterable[Field]) -> bytes:
    """Return a struct of fields whose ids ascend, by 15 at most."""
    encoded, before = bytearray(), 0
    for number, kind, value in fields:
        encoded.append(number - before << 4 | kind)
        encoded += value
        before = number
    encoded.append(0)
    return bytes(encoded)


def integer_at(encoded: bytes, at: int) -> tuple[int, int]:
    """Return the signed integer at a place, and where it ends; 0 where there is none."""
    value = 0
    for place in range(at, min(at + _LONGEST, len(encoded))):
        value |= (encoded[place] & _SEVEN_BITS) << 7 * (place - at)
        if encoded[place] <= _SEVEN_BITS:
            return value >> 1 ^ -(value & 1), place + 1
    return 0, at
