"""EXIF orientation: how a picture's stored pixels lie, read from its bytes and written to them.

The tag is 0x0112 of the first image file directory of the Exif data: TIFF inside a JPEG's APP1
segment or a PNG's ``eXIf`` chunk (CIPA DC-008 clause 4.6, ISO/IEC 15948 clause 11.3.4.5). Its
values: 1 upright, 2 mirrored, 3 turned by 180 degrees, 4 flipped, 5 transposed, 6 to be turned
clockwise, 7 transversed, 8 to be turned counter-clockwise.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from pipeline.images.segments import jpeg_segments, png_chunks
from pipeline.storage import Buffer

UPRIGHT: Final = 1
SIDEWAYS: Final = frozenset({5, 6, 7, 8})
"""The orientations in which width and height change places."""

_TAG: Final = 0x0112
_SHORT: Final = 3
_LAST: Final = 8
_APP0, _APP1 = 0xE0, 0xE1
_EXIF: Final = b"Exif\0\0"
_BYTE_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
_ENTRY_BYTES: Final = 12
_SEGMENT: Final = struct.Struct(">HH")  # marker, length with its own two bytes
_LENGTH_BYTES: Final = 2
_SOS_MARKER: Final = 0xFFDA
# Frames and tables, DQT, DRI, APP0, APP2 to APP15 and COM: what has a length and is not APP1.
_PLAIN: Final = {
    *range(0xFFC0, 0xFFD0),
    *(0xFFDB, 0xFFDD, 0xFFE0, *range(0xFFE2, 0xFFF0), 0xFFFE),
}
_IHDR_END: Final = 33
# One entry, orientation, of one 16-bit number padded to four bytes; then no further directory.
_WRITTEN: Final = struct.Struct(">4sIHHHIHHI")


def read_orientation(data: Buffer, form: str) -> int:
    """Return the orientation, 1 to 8, of a ``JPEG`` or ``PNG``; 1 where none can be read."""
    if form == "PNG":
        for chunk in png_chunks(data):
            if chunk.name == b"eXIf":
                return tiff_orientation(data[chunk.start : chunk.end])
        return UPRIGHT
    if _lacks_app1(data):
        return UPRIGHT
    for segment in jpeg_segments(data):
        start = segment.start + len(_EXIF)
        if segment.name == _APP1 and data[segment.start : start] == _EXIF:
            return tiff_orientation(data[start : segment.end])
    return UPRIGHT


def _lacks_app1(data: Buffer) -> bool:
    """Whether a JPEG surely has no such segment; of most that is known five times as fast so."""
    at, end = 2, len(data) - _SEGMENT.size
    while at <= end:
        marker, length = _SEGMENT.unpack_from(data, at)
        if marker == _SOS_MARKER:
            return True
        if marker not in _PLAIN or length < _LENGTH_BYTES:
            return False
        at += 2 + length
    return False


def tiff_orientation(tiff: Buffer) -> int:
    """Return the orientation that Exif data states, 1 where it is damaged or states none.

    Args:
        tiff: begins with the byte order, ``II`` or ``MM``, and the number 42.
    """
    order = _BYTE_ORDERS.get(bytes(tiff[:4]))
    if order is None:
        return UPRIGHT
    entry = struct.Struct(f"{order}HHIH")
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, directory)
        for number in range(count):
            tag, kind, _, value = entry.unpack_from(tiff, directory + 2 + _ENTRY_BYTES * number)
            if tag == _TAG:
                return value if kind == _SHORT and UPRIGHT <= value <= _LAST else UPRIGHT
    except struct.error:
        pass
    return UPRIGHT


def with_orientation(encoded: bytes, form: str, orientation: int) -> bytes:
    """Return a freshly encoded ``JPEG`` or ``PNG``, which has none, with an orientation put in."""
    tiff = _WRITTEN.pack(b"MM\0*", 8, 1, _TAG, _SHORT, 1, orientation, 0, 0)
    if form == "PNG":
        chunk = b"eXIf" + tiff
        part = struct.pack(">I", len(tiff)) + chunk + struct.pack(">I", zlib.crc32(chunk))
        at = _IHDR_END
    else:
        part = struct.pack(">BBH", 0xFF, _APP1, 2 + len(_EXIF) + len(tiff)) + _EXIF + tiff
        at = next(s.end if s.name == _APP0 else 2 for s in jpeg_segments(encoded))
    return encoded[:at] + part + encoded[at:]
