"""JPEGs that end without an end marker (EOI), and whether all of their pixels are there.

The marker may be cut off, or a camera's own data may stand in its place. Whether decoding needs
more bytes than there are cannot be seen in the bytes, but in the pixels: they change with what is
put behind the last one.
"""

from __future__ import annotations

from typing import Final

import xxhash

from pipeline.errors import BadImage
from pipeline.images.decode import REMEDY, decode
from pipeline.images.header import ImageHeader
from pipeline.images.inspection import Inspection
from pipeline.images.orientation import UPRIGHT
from pipeline.images.segments import EOI, FRAMES, Scans, jpeg_scans
from pipeline.images.spec import EncodeSpec
from pipeline.storage import Buffer

_PROGRESSIVE: Final = frozenset({0xC2, 0xCA})
_RGB: Final = EncodeSpec()
_COEFFICIENTS: Final = 64
# Bytes that are no marker, and the same with every bit turned.
_FILLER: Final = bytes((37 * number + 11) % 251 for number in range(64))
_FILLERS: Final = (b"", _FILLER, bytes(0xFF ^ byte for byte in _FILLER).replace(b"\xff", b"\xfe"))
# Padding and texts behind an image that is cut off decode as if they were a part of it.
_PADDING: Final = bytes([0, 9, 10, 13, *range(0x20, 0x7F)])
_PADDED: Final = 16  # bytes of that kind, and more, are no image's own
_MAY_BE_OWN: Final = 4  # of these, which are as likely as any others


def with_end(data: Buffer, of: Inspection) -> tuple[Buffer, bool]:
    """Return a JPEG with its end marker.

    Returns:
        The JPEG, `data` itself where it has its marker; and whether that had to be put there.

    Raises:
        BadImage: pixels are missing.
    """
    scans = jpeg_scans(data, of.segments[-1][1])
    if scans.whole:
        return data, False
    scanned = _without_padding(bytes(data[: scans.end]))
    if _has_all_scans(data, of, scans) and _has_all_pixels(scanned, of.header):
        return scanned + EOI, True
    header = of.header
    raise BadImage(
        "JPEG cannot be decoded",
        place=f"byte {scans.end}",
        expected=f"{header.width} x {header.height} pixels of {header.mode}, and an end marker",
        found="the end of the file before the end of the image",
        remedy=REMEDY,
    )


def _without_padding(scanned: bytes) -> bytes:
    scanned = scanned.rstrip(b"\xff")  # fill bytes, or half a marker
    core = scanned.rstrip(_PADDING)
    if len(scanned) - len(core) < _PADDED:
        return scanned
    return scanned[: len(core) + _MAY_BE_OWN]


def _has_all_scans(data: Buffer, of: Inspection, scans: Scans) -> bool:
    """Whether every coefficient of every component is in a scan, down to its last bit."""
    try:
        return not any(map(any, _missing_bits(data, of, scans)))
    except IndexError:  # the file ends in a scan's header
        return False


def _missing_bits(data: Buffer, of: Inspection, scans: Scans) -> list[list[int]]:
    frame, at = next((code, at) for code, at in of.segments if code in FRAMES)
    missing = {data[each]: _COEFFICIENTS * [1] for each in range(at + 10, _end(data, at), 3)}
    for scan in scans.headers:
        end = scan + 5 + 2 * data[scan + 4]
        first, last, bits = data[end], data[end + 1], data[end + 2] & 0xF
        if frame not in _PROGRESSIVE:
            first, last, bits = 0, _COEFFICIENTS - 1, 0
        for component in data[scan + 5 : end : 2]:
            if component in missing and first <= last < _COEFFICIENTS:
                missing[component][first : last + 1] = (last + 1 - first) * [bits]
    return list(missing.values())


def _end(data: Buffer, frame_at: int) -> int:
    return frame_at + 10 + 3 * data[frame_at + 9]


def _has_all_pixels(scanned: bytes, header: ImageHeader) -> bool:
    hashes = set()
    for filler in _FILLERS:
        image = decode(scanned + filler + EOI, header, _RGB, UPRIGHT).image
        hashes.add(xxhash.xxh3_128_digest(image.tobytes()))
    return len(hashes) == 1
