"""JPEGs with a whole header that common decoders cannot read: odd processes and tables.

Known by trial of TensorFlow 2.21, OpenCV 4.11 and 5.0, and Pillow with libjpeg-turbo 2.1: all of
them decode baseline, extended and progressive JPEGs of 8 bits a sample, by Huffman or arithmetic
coding, and sequential ones without Huffman tables by the standard ones (ITU-T T.81 annex K.3), as
Motion JPEG has them. None decodes the others. Source of the marker codes: ITU-T T.81 table B.1.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from pipeline.images.bounds import MAX_JPEG_SIDE
from pipeline.images.scancount import excessive_scans
from pipeline.images.segments import FRAMES, SOS, Segments
from pipeline.storage import Buffer

STANDARD_TABLES: Final = "standard-huffman-tables"
ARITHMETIC: Final = "arithmetic-coded"
READ: Final = frozenset({STANDARD_TABLES, ARITHMETIC, ""})
"""What does not keep decoders from a JPEG."""

_DHT, _DQT, _DHP, _EXP = 0xC4, 0xDB, 0xDE, 0xDF
_PROGRESSIVE: Final = 0xC2
_PROGRESSIVES: Final = frozenset({_PROGRESSIVE, 0xCA})
_ARITHMETIC: Final = frozenset({0xC9, 0xCA})
_HIERARCHICAL, _RESERVED = "hierarchical", "reserved-marker"
_UNREAD_FRAMES: Final = {
    0xC3: "lossless",
    0xCB: "lossless",
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), _HIERARCHICAL),
}
_UNREAD_MARKERS: Final = {
    **dict.fromkeys((*range(0x02, 0xC0), 0xC8, *range(0xF0, 0xFE)), _RESERVED),
    _DHP: _HIERARCHICAL,
    _EXP: _HIERARCHICAL,
}
_BITS: Final = 8
_HIGH: Final = MAX_JPEG_SIDE >> 8
_HEAD: Final = 4  # bytes of a segment before its content: marker, length
_AC: Final = 0x10
_STANDARD: Final = 1 << 0 | 1 << 1 | 1 << (_AC | 0) | 1 << (_AC | 1)  # of luma and chroma
_HUFFMAN_HEAD: Final = 17
_QUANTISATION_BYTES: Final = (65, 129)  # of a table of 8 and of 16 bits a value, with its number


def peculiarity(data: Buffer, segments: Segments) -> str:
    """Return what is peculiar about a JPEG, or nothing; in two microseconds where it is nothing.

    Args:
        data: the file's bytes.
        segments: its segments up to the first scan, a frame header among them.

    Returns:
        ``lossless``, ``hierarchical``, ``12-bit`` (or another number), ``reserved-marker``,
        ``side-over-65500``, ``no-scan``, ``no-quantisation-table``, ``no-huffman-table``: no
        decoder reads it. ``3018-scans`` (or another number): decoding it would take hours, see
        `excessive_scans`. ``arithmetic-coded`` and ``standard-huffman-tables``: usual ones do.
    """
    frame = at = first_quantisation = first_huffman = 0
    unread = ""
    try:
        for code, place in segments:
            if code == _DHT:
                first_huffman |= 1 << data[place + _HEAD]
            elif code == _DQT:
                first_quantisation |= 1 << (data[place + _HEAD] & 0xF)
            elif code in FRAMES:
                frame, at = code, place
            elif code in _UNREAD_MARKERS:
                unread = _UNREAD_MARKERS[code]
        unread = _UNREAD_FRAMES.get(frame) or _of_frame(data, at) or unread
        if unread or code != SOS:
            return unread or "no-scan"
        components = bytes(data[at + 9 : at + 10 + 3 * data[at + 9]])
        scan = bytes(data[place + _HEAD : place + 8 + 2 * data[place + _HEAD]])
        if (frame in _PROGRESSIVES or scan[0] < components[0]) and (
            scans := excessive_scans(data, place, _number(data, at + 5) * _number(data, at + 7))
        ):
            return f"{scans}-scans"
        quantisation, huffman = _needed(frame, components, scan)
        # Most segments hold one table; where they hold several, the first ones are not enough.
        if quantisation & ~first_quantisation or huffman & ~first_huffman or frame in _ARITHMETIC:
            return _of_tables(data, segments, frame, (quantisation, huffman))
    except IndexError:  # the file ends there
        return "no-scan"
    return ""


def _of_frame(data: Buffer, at: int) -> str:
    if not at:  # it stands behind more segments than are walked through
        return "no-scan"
    bits = data[at + 4]
    if bits != _BITS:
        return f"{bits}-bit"
    if data[at + 5] < _HIGH and data[at + 7] < _HIGH:
        return ""
    side = max(_number(data, at + 5), _number(data, at + 7))
    return f"side-over-{MAX_JPEG_SIDE}" if side > MAX_JPEG_SIDE else ""


def _of_tables(data: Buffer, segments: Segments, frame: int, needed: tuple[int, int]) -> str:
    quantisation = huffman = 0
    for code, at in segments:
        if code == _DQT:
            quantisation |= _quantisation_tables(data, at)
        elif code == _DHT:
            huffman |= _huffman_tables(data, at)
    if needed[0] & ~quantisation:
        return "no-quantisation-table"
    if frame in _ARITHMETIC:
        return ARITHMETIC
    missing = needed[1] & ~huffman
    if not missing:
        return ""
    standard = frame != _PROGRESSIVE and not missing & ~_STANDARD
    return STANDARD_TABLES if standard else "no-huffman-table"


@lru_cache(maxsize=256)
def _needed(frame: int, components: bytes, scan: bytes) -> tuple[int, int]:
    """Return the numbers of the tables that the first scan needs, each a bit: quanta, Huffman's.

    Args:
        frame: the marker of the frame header.
        components: from their number on: id, sampling factors and table of each.
        scan: the content of the scan's header: components and their tables, coefficients.

    Raises:
        IndexError: one of the two is cut off.
    """
    of_component = {components[at]: components[at + 2] for at in range(1, len(components) - 2, 3)}
    end = 1 + 2 * scan[0]
    first, last, bits = scan[end], scan[end + 1], scan[end + 2]
    if frame != _PROGRESSIVE:  # others have all coefficients at once
        first, last, bits = 0, 1, 0
    quantisation = huffman = 0
    for at in range(1, end, 2):
        quantisation |= 1 << (of_component.get(scan[at], 0) & 0xF)
        if first == 0 and bits < _AC:
            huffman |= 1 << (scan[at + 1] >> 4)
        if last > 0:
            huffman |= 1 << (scan[at + 1] & 0xF | _AC)
    return quantisation, huffman


def _quantisation_tables(data: Buffer, at: int) -> int:
    end, at, tables = at + 2 + _number(data, at + 2), at + _HEAD, 0
    while at < end:
        tables |= 1 << (data[at] & 0xF)
        at += _QUANTISATION_BYTES[data[at] >= _AC]
    return tables


def _huffman_tables(data: Buffer, at: int) -> int:
    end, at, tables = at + 2 + _number(data, at + 2), at + _HEAD, 0
    while at < end:
        tables |= 1 << data[at]
        at += _HUFFMAN_HEAD + sum(data[at + 1 : at + _HUFFMAN_HEAD])
    return tables


def _number(data: Buffer, at: int) -> int:
    return data[at] << 8 | data[at + 1]
