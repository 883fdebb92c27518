"""Where the numbers and names of a format stand, and the values most likely to break a parser."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Literal, NamedTuple

from seals import MAT_HEADER_BYTES, PNG_SIGNATURE_BYTES, headers

Form = Literal["big", "little", "octal", "bytes"]

_MARKER = re.compile(rb"\xff[\xc0-\xfe]")
_TAGGED = re.compile(rb"[\x08\x0a\x0d\x12\x1a][\x00-\xff]", re.DOTALL)
_HEADER = ((0, 100), (257, 8), (345, 155))  # name, magic, prefix
_MAGIC = b"\x0a\x23\xd7\xce"  # of RecordIO
_NEAR = 16
_ZIP_HEADER = re.compile(rb"PK(\x01\x02|\x03\x04|\x05\x06)")
_ZIP_LOCAL = (2, 2, 2, 2, 2, 4, 4, 4, 2, 2)
_ZIP_CENTRAL = (2, 2, 2, 2, 2, 2, 4, 4, 4, 2, 2, 2, 2, 2, 4, 4)
_ZIP_END = (2, 2, 2, 2, 4, 4, 2)


class Field(NamedTuple):
    """Bytes of one meaning: where they stand, how many, and what form they have."""

    offset: int
    size: int
    form: Form


def of_tar(data: bytes) -> Iterator[Field]:
    for at in headers(data):
        yield Field(at + 124, 12, "octal")
        yield Field(at + 148, 8, "octal")
        yield Field(at + 156, 1, "bytes")
        yield from (Field(at + start, size, "bytes") for start, size in _HEADER)


def of_jpeg(data: bytes) -> Iterator[Field]:
    for match in _MARKER.finditer(data):
        at = match.start()
        yield Field(at + 1, 1, "big")  # the marker's code
        yield Field(at + 2, 2, "big")  # the segment's length
        yield from (Field(at + 5 + side, 2, "big") for side in (0, 2))
        yield Field(at + 9, 1, "big")  # components


def of_png(data: bytes) -> Iterator[Field]:
    at = PNG_SIGNATURE_BYTES
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield Field(at, 4, "big")
        yield Field(at + 4, 4, "bytes")
        if data[at + 4 : at + 8] == b"IHDR":
            yield from (Field(at + 8 + side, 4, "big") for side in (0, 4))
            yield from (Field(at + 16 + place, 1, "big") for place in range(5))
        at += 12 + length


def of_tfrecord(data: bytes) -> Iterator[Field]:
    at = 0
    while at + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        yield Field(at, 8, "little")
        yield Field(at + 8, 4, "little")
        at += 16 + length


def of_recordio(data: bytes) -> Iterator[Field]:
    """The magic number of each part, and its flag with its length."""
    for at in range(0, len(data) - 7, 4):
        if data[at : at + 4] == _MAGIC:
            yield Field(at, 4, "little")
            yield Field(at + 4, 4, "little")


def of_image_header(_: bytes) -> Iterator[Field]:
    """Flag, label and ids."""
    yield from (Field(at, 4, "little") for at in (0, 4))
    yield from (Field(at, 8, "little") for at in (8, 16))


def of_wire(data: bytes) -> Iterator[Field]:
    for match in _TAGGED.finditer(data[:2000]):
        yield Field(match.start(), 1, "little")
        yield Field(match.start() + 1, 1, "little")


def of_mat(data: bytes) -> Iterator[Field]:
    """Every aligned 32-bit number: types, sizes, dimensions."""
    for at in range(MAT_HEADER_BYTES - 4, len(data) - 3, 4):
        yield Field(at, 4, "little")


def of_zip(data: bytes) -> Iterator[Field]:
    """Numbers of local headers, of the central directory and of its end, and the names."""
    for match in _ZIP_HEADER.finditer(data):
        at, kind = match.start(), match[1]
        sizes = {b"\1\2": _ZIP_CENTRAL, b"\3\4": _ZIP_LOCAL, b"\5\6": _ZIP_END}[kind]
        offset = at + 4
        for size in sizes:
            yield Field(offset, size, "little")
            offset += size
        if kind != b"\5\6":
            yield Field(offset, 8, "bytes")


def of_words(data: bytes) -> Iterator[Field]:
    """Every aligned 32-bit number: Arrow's offsets and lengths."""
    for at in range(0, len(data) - 3, 4):
        yield Field(at, 4, "little")


def of_text(_: bytes) -> Iterator[Field]:
    yield from ()


def values(field: Field, whole: int) -> list[bytes]:
    """Return extreme contents of a field of a document of so many bytes."""
    if field.form == "bytes":
        fill = (b"\0", b"\xff", b"/", b"../", b"0", b"x", b"g", b"L", b"S", b"5", b"n.tar\0")
        return [(each * field.size)[: field.size] for each in fill]
    top = 1 << 8 * field.size
    near = {whole + step for step in range(-_NEAR, _NEAR + 1, 8)}
    numbers = {0, 1, 2, 3, 7, top // 2 - 1, top // 2, top - 1, top // 256, whole // 2, *near}
    inside = sorted(number for number in numbers if 0 <= number < top)
    if field.form == "octal":
        octal = [b"%0*o\0" % (field.size - 1, number) for number in inside]
        fits = [each for each in octal if len(each) == field.size]
        base256 = [bytes([0x80, *number.to_bytes(field.size, "big")[1:]]) for number in inside]
        return [*fits, *base256, b"-1".ljust(field.size, b"\0"), b" " * field.size]
    return [number.to_bytes(field.size, field.form) for number in inside]
