"""Bounds on what a GIF, TIFF or PNM may hold beside its pixels, checked before it is opened.

Pillow copies each of these parts as it goes, so a small file can take it minutes or gigabytes:
every comment of a GIF is added to those before it, every value of a TIFF is read even if all of
them share the same bytes, and a comment of a plain PNM is cut out of a block of 1 MiB. Images of
real programs hold a few hundred bytes of comments, and TIFFs whose values do not overlap.
"""

from __future__ import annotations

import struct
from typing import Final

from pipeline.errors import BadImage
from pipeline.images.bounds import MAX_PIXELS, check_size
from pipeline.storage import Buffer

MAX_COMMENTS: Final = 1000
"""Of a GIF, before its second image; of a plain PNM, whose numbers are text."""
MAX_COMMENT_BYTES: Final = 1 << 20
"""Of all comments of a GIF before its second image."""

_LEAST_VALUE_BYTES: Final = 1 << 20  # a TIFF whose values are cut off may still be decoded

_REMEDY: Final = "save it anew by another program, or leave the image out with --on-bad-image skip"
_GIF_HEAD_BYTES, _GIF_FLAGS_AT = 13, 10
_GIF_IMAGE_BYTES: Final = 10  # of an image's descriptor, with its mark
_EXTENSION, _IMAGE, _GIF_END = 0x21, 0x2C, 0x3B
_COMMENT, _APPLICATION, _LOOP = b"\xfe", b"\xff", b"NETSCAPE2.0"
_PLAIN: Final = frozenset({b"P1", b"P2", b"P3"})
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # TIFF 6.0, section 15
# TIFF 6.0, section 2, and BigTIFF: a type of value -> bytes.
_SIZES: Final = {
    **dict.fromkeys((1, 2, 6, 7), 1),
    **dict.fromkeys((3, 8), 2),
    **dict.fromkeys((4, 9, 11, 13), 4),
    **dict.fromkeys((5, 10, 12, 16, 17, 18), 8),
}
_SHORT, _LONG, _BIG_TIFF = 3, 4, 43


def check_foreign(data: Buffer, form: str, max_pixels: int = MAX_PIXELS) -> None:
    """Refuse an image of a `foreign_format` that holds far too much beside its pixels.

    Args:
        data: the file's bytes.
        form: their format.
        max_pixels: how many a tile of a TIFF may have, too.

    Raises:
        BadImage: it has more comments, or values that take more bytes, than any real one.
    """
    if form == "GIF":
        _check_gif(data)
    elif form == "PNM" and bytes(data[:2]) in _PLAIN:
        _check("PNM", "comments", bytes(data).count(b"#"), MAX_COMMENTS)
    elif form == "TIFF":
        _check_tiff(data, max_pixels)


def _check_gif(data: Buffer) -> None:
    """Walk through the blocks up to the second image, in the very way in which Pillow does.

    Pillow looks for a second image to know whether there is one.
    """
    comments = size = images = 0
    at = _GIF_HEAD_BYTES
    if len(data) < at:
        return
    at += _palette_bytes(data[_GIF_FLAGS_AT])
    while at < len(data) and data[at] != _GIF_END:
        if data[at] == _IMAGE:
            images += 1
            if images > 1 or at + _GIF_IMAGE_BYTES > len(data):
                return
            flags = data[at + _GIF_IMAGE_BYTES - 1]
            at = _behind_blocks(data, at + _GIF_IMAGE_BYTES + _palette_bytes(flags) + 1)
        elif data[at] != _EXTENSION:
            at += 1
        elif data[at + 1 : at + 2] != _COMMENT:
            at = _behind_extension(data, at + 1, first=not images)
        else:
            start, at = at + 2, _behind_blocks(data, at + 2)
            comments += 1
            size += at - start
            _check("GIF", "comments", comments, MAX_COMMENTS)
            _check("GIF", "bytes of comments", size, MAX_COMMENT_BYTES)


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _behind_extension(data: Buffer, at: int, *, first: bool) -> int:
    """Return the offset behind an extension that is no comment, `at` being that of its label.

    Where Pillow reads a block by itself, and it is the empty one that ends a chain, it reads on
    through another chain. What lies there is not to be taken for blocks that Pillow does not see.
    """
    label, at = data[at : at + 1], at + 1
    if at < len(data):
        block = bytes(data[at + 1 : at + 1 + data[at]])
        at += 1 + data[at]
        if first and label == _APPLICATION and block.startswith(_LOOP) and at < len(data):
            at += 1 + data[at]
    return _behind_blocks(data, at)


def _behind_blocks(data: Buffer, at: int) -> int:
    """Return the offset behind a chain of blocks, each of a length and so many bytes."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


def _check_tiff(data: Buffer, max_pixels: int) -> None:
    """Add up what the values of the first directory take, and look at the size of a tile."""
    order = "<" if data[:1] == b"I" else ">"
    try:
        big = struct.unpack_from(f"{order}H", data, 2)[0] == _BIG_TIFF
        word, inline = ("Q", 8) if big else ("I", 4)
        (directory,) = struct.unpack_from(order + word, data, inline)
        counted, entry = (
            struct.Struct(order + ("Q" if big else "H")),
            struct.Struct(f"{order}HH{word}"),
        )
        (count,) = counted.unpack_from(data, directory)
    except struct.error:  # it is cut off, as its decoder finds
        return
    first, step = directory + counted.size, entry.size + inline
    total, tile = 0, {_TILE_WIDTH: 1, _TILE_LENGTH: 1}
    for at in range(first, min(first + count * step, len(data) - step + 1), step):
        tag, kind, values = entry.unpack_from(data, at)
        size = _SIZES.get(kind, 0) * values
        if size > inline:
            total += size
        elif tag in tile:
            form = {_SHORT: "H", _LONG: "I"}.get(kind, "B")
            (tile[tag],) = struct.unpack_from(order + form, data, at + entry.size)
    most = max(len(data), _LEAST_VALUE_BYTES)
    _check("TIFF", "bytes of values, in its first directory", total, most)
    check_size(tile[_TILE_WIDTH], tile[_TILE_LENGTH], max_pixels)


def _check(form: str, what: str, found: int, most: int) -> None:
    if found > most:
        raise BadImage(
            f"a {form} that holds far too much beside its pixels",
            expected=f"at most {most:,} {what}",
            found=f"{found:,}" if form != "GIF" else f"{found:,} or more",
            remedy=_REMEDY,
        )
