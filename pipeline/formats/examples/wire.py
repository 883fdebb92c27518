"""The protobuf wire format, as far as tf.train.Example needs it.

A message is a sequence of fields; a field is a tag (field number << 3 | wire type, a varint)
and its content. Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pipeline.errors import OutputDamaged
from pipeline.storage import Buffer

VARINT: Final = 0
LENGTH_DELIMITED: Final = 2
FIXED32: Final = 5

_SEVEN_BITS: Final = 0x7F
_MASK_64: Final = (1 << 64) - 1
_SIGN_64: Final = 1 << 63
_MAX_VARINT: Final = 10  # bytes
_TWO_BYTES, _THREE_BYTES = 1 << 14, 1 << 21  # less have as many at most
_ONE_BYTE: Final = tuple(bytes((value,)) for value in range(0x80))


def encode_varint(value: int) -> bytes:
    """Return an int64 as a varint: 7 bits a byte, lowest first; a negative one takes 10 bytes."""
    if 0 <= value <= _SEVEN_BITS:
        return _ONE_BYTE[value]
    if 0 <= value < _THREE_BYTES:  # nearly all, and half the time of the loop
        if value < _TWO_BYTES:
            return bytes((value & 0x7F | 0x80, value >> 7))
        return bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80, value >> 14))
    rest = value & _MASK_64
    out = bytearray()
    while rest > _SEVEN_BITS:
        out.append(rest & _SEVEN_BITS | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def open_field(tag: int, head: bytes, tail: int) -> bytes:
    """Return a length-delimited field up to where the last `tail` bytes of it are to follow.

    Args:
        tag: field number << 3 | wire type, below 128.
        head: the first bytes of the content.
        tail: how many bytes of content follow them.
    """
    return _ONE_BYTE[tag] + encode_varint(len(head) + tail) + head


class WireReader:
    """Reads fields of one message at absolute offsets; believes no length unchecked.

    Args:
        data: the message.
        file: what an error shall name as the file.
    """

    def __init__(self, data: Buffer, file: str | None) -> None:
        self.data = memoryview(data).cast("B")
        self._file = file

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """Return the unsigned varint at `at` and where it ends."""
        value = 0
        for position in range(at, min(end, at + _MAX_VARINT)):
            byte = self.data[position]
            value |= (byte & _SEVEN_BITS) << 7 * (position - at)
            if byte <= _SEVEN_BITS and value <= _MASK_64:
                return value, position + 1
        found = bytes(self.data[at : min(end, at + _MAX_VARINT)]).hex(" ")
        raise self.malformed(at, "a varint of at most 64 bits", found or "the end of its field")

    def int64s(self, at: int, end: int) -> Iterator[int]:
        """Yield the signed varints that fill a range."""
        while at < end:
            value, at = self.varint(at, end)
            yield value - (1 << 64) if value & _SIGN_64 else value

    def fields(self, at: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield (tag, start, stop) of the fields that fill a range.

        `start` and `stop` bound the content: of a length-delimited field without its length.
        """
        while at < end:
            tag, start = self.varint(at, end)
            wire_type = tag & 7
            if wire_type == VARINT:
                _, stop = self.varint(start, end)
            elif wire_type == LENGTH_DELIMITED:
                length, start = self.varint(start, end)
                stop = start + length
            elif wire_type == FIXED32:
                stop = start + 4
            else:
                raise self.malformed(at, "a field of wire type 0, 2 or 5", f"wire type {wire_type}")
            if stop > end:
                raise self.malformed(at, f"a field within {end - at} bytes", f"{stop - at} bytes")
            yield tag, start, stop
            at = stop

    def malformed(self, at: int, expected: str, found: str) -> OutputDamaged:
        """Return the error for what stands at offset `at`."""
        return self._damaged("not a well-formed tf.train.Example", f"byte {at}", expected, found)

    def refused(self, key: str, expected: str, found: str) -> OutputDamaged:
        """Return the error for a feature that is well-formed and yet not as it was written."""
        return self._damaged("not the Example of an image", f"feature {key}", expected, found)

    def _damaged(self, what: str, place: str, expected: str, found: str) -> OutputDamaged:
        remedy = "remove the file and run the shardmill command again: it is made anew"
        return OutputDamaged(
            what, file=self._file, place=place, expected=expected, found=found, remedy=remedy
        )
