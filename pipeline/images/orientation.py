"""EXIF orientation: how an image's stored pixels lie, read from its bytes and written to them.

The tag is 0x0112 of the first image file directory of the Exif data: TIFF inside a JPEG's APP1
segment or a PNG's ``eXIf`` chunk (CIPA DC-008 clause 4.6, ISO/IEC 15948 clause 11.3.4.5). Its
values: 1 upright, 2 mirrored, 3 turned by 180 degrees, 4 flipped, 5 transposed, 6 to be turned
clockwise, 7 transversed, 8 to be turned counter-clockwise.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from pipeline.images.segments import Segments, head_segments, jpeg_segments, png_chunks
from pipeline.storage import Buffer

UPRIGHT: Final = 1
SIDEWAYS: Final = frozenset({5, 6, 7, 8})
"""The orientations in which width and height change places."""

_TAG: Final = 0x0112
_SHORT: Final = 3
_INTEGERS: Final = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}  # TIFF 6.0, section 2
_LAST: Final = 8
_APP0, _APP1 = 0xE0, 0xE1
_EXIF: Final = b"Exif\0\0"
_BYTE_ORDERS: Final = {b"II*\0": "<", b"MM\0*": ">"}
_ENTRY_BYTES, _INLINE_BYTES = 12, 4
_HEAD_BYTES: Final = 4  # of a segment: marker, length
_TIFF_AT: Final = _HEAD_BYTES + len(_EXIF)
_IHDR_END: Final = 33
# One entry, orientation, of one 16-bit number padded to four bytes; then no further directory.
_WRITTEN: Final = struct.Struct(">4sIHHHIHHI")


def read_orientation(
    data: Buffer, form: str, segments: Segments | None = None, *, as_opencv: bool = False
) -> int:
    """Return the orientation, 1 to 8, of a ``JPEG`` or ``PNG``; 1 where none can be read.

    Args:
        data: the file's bytes.
        form: their format.
        segments: of a JPEG, if they are known: what `head_segments` returned.
        as_opencv: read the number as OpenCV does, see `tiff_orientation`.
    """
    if form == "PNG":
        for chunk in png_chunks(data):
            if chunk.name == b"eXIf":
                return tiff_orientation(data[chunk.start : chunk.end], as_opencv=as_opencv)
        return UPRIGHT
    for code, at in head_segments(data) if segments is None else segments:
        if code == _APP1 and data[at + _HEAD_BYTES : at + _TIFF_AT] == _EXIF:
            end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
            return tiff_orientation(data[at + _TIFF_AT : end], as_opencv=as_opencv)
    return UPRIGHT


def tiff_orientation(tiff: Buffer, *, as_opencv: bool = False) -> int:
    """Return the orientation that Exif data states, 1 where it is damaged or states none.

    Args:
        tiff: begins with the byte order, ``II`` or ``MM``, and the number 42.
        as_opencv: take the first two bytes for the number, whatever its type is said to be:
            OpenCV (4.11, 5.0) so misses one of 8 or 32 bits whose high byte comes first.
    """
    order = _BYTE_ORDERS.get(bytes(tiff[:4]))
    if order is None:
        return UPRIGHT
    entry = struct.Struct(f"{order}HHI")
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, directory)
        for at in range(directory + 2, directory + 2 + _ENTRY_BYTES * count, _ENTRY_BYTES):
            tag, kind, values = entry.unpack_from(tiff, at)
            if tag == _TAG:
                number = "H" if as_opencv else _INTEGERS.get(kind)
                if number is None or struct.calcsize(number) * values > _INLINE_BYTES:
                    return UPRIGHT
                (value,) = struct.unpack_from(order + number, tiff, at + entry.size)
                return value if UPRIGHT <= value <= _LAST else UPRIGHT
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
