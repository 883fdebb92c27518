"""Header blocks of tar archives as they are written here: regular files without times and owners.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block".
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

BLOCK: Final = 512
"""Bytes of a block of a tar archive: headers and data are padded to whole ones."""

# name; mode, uid, gid; size; mtime; checksum; typeflag; linkname to devminor; prefix
_HEADER: Final = struct.Struct("100s24s12s12s8sc188s155s12x")
_OWNERS, _MTIME = b"0000444\x000000000\x000000000\0", b"00000000000\0"
_MAGIC: Final = bytes(100) + b"ustar\x0000"
_FIXED_SUM: Final = sum(_OWNERS + _MTIME + b" " * 8 + _MAGIC)  # a checksum counts as spaces
_STEM_BYTES, _PREFIX_BYTES = 95, 155  # with its extension a name has 100 bytes at most
PAX: Final = b"x"
"""The type of a header that says more of the next member."""
_REGULAR: Final = b"0"
_PAX_NAME: Final = b"././@PaxHeader"  # as tarfile has it


def member_header(name: str, size: int) -> bytes:
    """Return the blocks that precede the data of a regular file: one, or three and more.

    If more than 95 bytes precede the extension, the name is parted at a slash, its beginning in
    the prefix field. One that has no such slash gets a pax extended header; its last bytes are in
    the header too. So wids, which knows neither, cuts the names of a sample's members alike.

    Args:
        name: ASCII, its extension of four letters at most.
        size: bytes of data, less than 8 GiB.
    """
    raw = name.encode()
    stem = raw.rpartition(b".")[0]
    if len(stem) <= _STEM_BYTES:
        return _block(raw, size)
    slash = stem.find(b"/", len(stem) - _STEM_BYTES - 1)
    if 0 < slash <= _PREFIX_BYTES:
        return _block(raw[slash + 1 :], size, raw[:slash])
    record = _pax_record(raw)
    padded = record + bytes(-len(record) % BLOCK)
    header = _block(_PAX_NAME, len(record), typeflag=PAX)
    return header + padded + _block(raw[len(stem) - _STEM_BYTES :], size)


def _pax_record(name: bytes) -> bytes:
    r"""Return ``LENGTH path=NAME\n``; LENGTH counts all of it, its own digits too."""
    rest = b" path=%b\n" % name
    length = len(rest) + len(str(len(rest)))
    return b"%d%b" % (len(rest) + len(str(length)), rest)


def _block(name: bytes, size: int, prefix: bytes = b"", typeflag: bytes = _REGULAR) -> bytes:
    digits = b"%011o\0" % size
    total = _FIXED_SUM + _sum(name) + _sum(digits) + typeflag[0] + _sum(prefix)
    checksum = b"%06o\0 " % total
    return _HEADER.pack(name, _OWNERS, digits, _MTIME, checksum, typeflag, _MAGIC, prefix)


def _sum(field: bytes) -> int:
    """Return the sum of at most 256 bytes."""
    # The low half of an Adler-32 is 1 + that sum, mod 65521: a sixth of the time of sum().
    return (zlib.adler32(field) & 0xFFFF) - 1
