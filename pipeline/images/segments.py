"""The parts a picture's file is made of: segments of a JPEG, chunks of a PNG.

A damaged file ends the walk and raises nothing: what a walk did not find is not there. Sources:
ITU-T T.81 annex B, read as forgivingly as libjpeg does; ISO/IEC 15948 clause 5.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.storage import Buffer

SOS: Final = 0xDA
FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # less DHT, JPG and DAC

_EOI: Final = 0xD9
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # TEM, RST0 to RST7, SOI
_MARKER: Final = re.compile(rb"\xff[\x01-\xfe]")
_END: Final = re.compile(rb"\xff\xd9")
_LENGTH_BYTES: Final = 2
_SIGNATURE_BYTES: Final = 8
_CHUNK: Final = struct.Struct(">I4s")
_CRC_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Part:
    """Where the content of a segment or a chunk lies.

    Attributes:
        name: the marker's second byte, or the chunk's four bytes.
        start: offset of the content's first byte: after the length, or after the chunk's name.
        end: one past its last byte; the end of the data when it is cut off.
    """

    name: int | bytes
    start: int
    end: int


def jpeg_segments(data: Buffer) -> Iterator[Part]:
    """Yield the segments of a JPEG up to its first scan (SOS), which is the last one yielded."""
    at = 2
    while (marker := _MARKER.search(data, at)) is not None:
        at = marker.start()
        code = data[at + 1]
        if code in _STANDALONE:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4])
        if code == _EOI or length < _LENGTH_BYTES:
            return
        yield Part(code, at + 4, min(at + 2 + length, len(data)))
        if code == SOS:
            return
        at += 2 + length


def png_chunks(data: Buffer) -> Iterator[Part]:
    """Yield the chunks of a PNG up to ``IEND``; their checksums are not looked at."""
    at = _SIGNATURE_BYTES
    while at + _CHUNK.size <= len(data):
        length, name = _CHUNK.unpack_from(data, at)
        start = at + _CHUNK.size
        yield Part(name, start, min(start + length, len(data)))
        if name == b"IEND":
            return
        at = start + length + _CRC_BYTES


def is_whole(data: Buffer, form: str) -> bool:
    """Whether a picture of a format (``JPEG`` or ``PNG``) goes on to its end marker."""
    if form == "PNG":
        return any(chunk.name == b"IEND" for chunk in png_chunks(data))
    scans = (segment.end for segment in jpeg_segments(data) if segment.name == SOS)
    # In a scan 0xFF is stuffed, so that an end marker after its start is a real one.
    return any(data[-2:] == b"\xff\xd9" or _END.search(data, end) for end in scans)
