"""The parts an image's file is made of: segments and scans of a JPEG, chunks of a PNG.

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
EOI: Final = b"\xff\xd9"
MAX_SEGMENTS: Final = 10_000
"""How many steps may lead to a JPEG's first scan; photographs take less than a hundred."""
Segments = list[tuple[int, int]]
"""Second byte and offset of each segment's marker."""

_EOI: Final = 0xD9
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # TEM, RST0 to RST7, SOI
_STANDALONE_MARKERS: Final = frozenset({0xFF01, *range(0xFFD0, 0xFFD8)})  # of these less SOI
_SEGMENT_MARKERS: Final = frozenset(range(0xFF02, 0xFFFF)) - set(range(0xFFD0, 0xFFDA))
_SOI_MARKER, _EOI_MARKER, _SOS_MARKER = 0xFFD8, 0xFFD9, 0xFFDA
_MARKER: Final = re.compile(rb"\xff[\x01-\xfe]")
# In a scan 0xFF is stuffed with a zero, restart markers are part of it, 0xFF may fill up.
_END_OF_SCAN: Final = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
# DHT, DAC, SOS, DQT, DNL, DRI, APP0 to APP15, COM: what may stand between two scans.
_BETWEEN_SCANS: Final = frozenset({0xC4, 0xCC, *range(0xDA, 0xDE), *range(0xE0, 0xF0), 0xFE})
_SEGMENT: Final = struct.Struct(">HH")  # marker, length with its own two bytes
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


@dataclass(frozen=True, slots=True)
class Scans:
    """Where the scans of a JPEG end.

    Attributes:
        end: offset of the marker behind the last one; the end of the data if there is none. Other
            segments may follow, or, where the end marker is lacking, what looks like some.
        whole: whether the end marker (EOI) follows, behind segments or at once.
        headers: offsets of the scans' own markers (SOS).
    """

    end: int
    whole: bool
    headers: tuple[int, ...]


def head_segments(data: Buffer) -> Segments:
    """Return the segments of a JPEG up to its first scan (SOS), which is the last one.

    This is `jpeg_segments`, five times as fast: every image that is stored passes through here.
    It stops at `MAX_SEGMENTS`: a list of millions, of four bytes each, would take gigabytes.
    """
    segments: Segments = []
    at, last, read = 2, len(data) - _SEGMENT.size, _SEGMENT.unpack_from
    for _ in range(MAX_SEGMENTS):
        if at > last:
            break
        marker, length = read(data, at)
        if marker not in _SEGMENT_MARKERS:
            if marker in {_SOI_MARKER, _EOI_MARKER}:
                break
            if marker in _STANDALONE_MARKERS:
                at += 2
                continue
            match = _MARKER.search(data, at)  # fill bytes, or junk
            if match is None:
                break
            at = match.start()
            continue
        segments.append((marker & 0xFF, at))
        if marker == _SOS_MARKER or length < _LENGTH_BYTES:
            break
        at += 2 + length
    return segments


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


def jpeg_scans(data: Buffer, at: int) -> Scans:
    """Walk through the scans of a JPEG; some 60 microseconds of 100 KiB.

    Args:
        data: the file's bytes.
        at: offset of the first scan's marker (SOS).
    """
    headers, end = [at], 0
    while True:
        length = int.from_bytes(data[at + 2 : at + 4])
        marker = _END_OF_SCAN.search(data, at + 2 + length)
        following = len(data) if marker is None else marker.start()
        if headers[-1] == at:
            end = following
        code = 0 if marker is None else data[following + 1]
        if code not in _BETWEEN_SCANS:
            return Scans(end, whole=code == _EOI, headers=tuple(headers))
        at = following
        if code == SOS:
            headers.append(at)


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
