"""The header blocks of a tar archive, and the extended headers that change what they say.

Sources: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual,
"Basic Tar Format". In the header, by byte::

    0 name[100]  124 size[12]  148 checksum[8]  156 typeflag  257 magic[6]  345 prefix[155]
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

BLOCK = 512
MAX_OFFSET = 2**63 - 1 - BLOCK  # so that every offset fits an int64
EXTENDED = frozenset(b"xXgLK")  # X is x as Solaris wrote it before there was a standard
GNU_SPARSE = ord("S")

_PAX_GLOBAL, _GNU_LONG_NAME, _GNU_LONG_LINK = b"gLK"
_MAX_RECORDS = 128  # of a pax header; real ones have some ten, and one for each extended attribute
_RECORD = re.compile(rb"([0-9]{1,19}) (?:(path|size|GNU\.sparse\.[^=]*)|[^=]*)=")
_NO_HEADER = "no tar header where one should stand"

Records = dict[bytes, bytes]


class Malformed(Exception):
    """What is wrong, what was expected, what was found, and what to do; the last may be empty.

    The place is added where it is caught.
    """

    def __init__(self, what: str, expected: str, found: str, remedy: str = "") -> None:
        self.what, self.expected, self.found, self.remedy = what, expected, found, remedy
        super().__init__(what)


def parse_header(header: bytes) -> tuple[int, bytes, int]:
    """Return typeflag, name (prefix joined, undecoded) and size field of a checked header."""
    stored = _number(header[148:156])
    computed = _sum(header[:256]) + _sum(header[256:]) - _sum(header[148:156]) + 8 * ord(" ")
    if computed != stored:
        # Some old programs added the bytes up as signed characters.
        signed = computed - 256 * sum(byte >> 7 for byte in header[:148] + header[156:])
        if signed != stored:
            raise Malformed(_NO_HEADER, f"a block of checksum {stored}", f"one of {computed}")
    name = header[:100].partition(b"\0")[0]
    if header[345] and header[257:263] == b"ustar\0":  # GNU tar keeps times there
        name = header[345:500].partition(b"\0")[0] + b"/" + name
    return header[156], name, _number(header[124:136])


def _sum(data: bytes) -> int:
    """Return the sum of at most 256 bytes."""
    # The low half of an Adler-32 is 1 + that sum, mod 65521: a sixth of the time of sum().
    return (zlib.adler32(data) & 0xFFFF) - 1


def _number(field: bytes) -> int:
    """Return a number in octal digits, or in GNU's base 256 (big-endian behind a 1 bit)."""
    if field[0] & 0x80 and not field[0] & 0x40:  # the second bit is the sign
        return int.from_bytes(field, "big") - (1 << 8 * len(field) - 1)
    digits = field.strip(b" \0")
    if digits.translate(None, b"01234567"):
        raise Malformed(_NO_HEADER, "a number in octal digits", repr(field))
    return int(digits or b"0", 8)


def extend(typeflag: int, payload: bytes, common: Records, own: Records) -> None:
    """Add what an extended header says to that of all members to come, or of the next one."""
    if typeflag == _GNU_LONG_NAME:
        own.setdefault(b"path", payload.partition(b"\0")[0])  # a pax header has precedence
    elif typeflag != _GNU_LONG_LINK:
        for key, value in _pax_records(payload):
            if key.startswith(b"GNU.sparse."):
                raise sparse(payload[:100])
            if typeflag == _PAX_GLOBAL and len(value) > BLOCK:  # or each block would cost more
                raise Malformed("a name of all members is too long", "512 bytes", repr(key))
            (common if typeflag == _PAX_GLOBAL else own)[key] = value


def overridden(raw_name: bytes, size: int, extended: Records) -> tuple[bytes, int]:
    """Return name and size as extended headers have them; an empty value takes one back."""
    digits = extended.get(b"size") or b"%d" % size
    if not digits.isdigit() or len(digits) > len(str(MAX_OFFSET)):
        raise Malformed("a pax header gives no size", "decimal digits", repr(digits[:40]))
    return extended.get(b"path") or raw_name, int(digits)


def _pax_records(payload: bytes) -> Iterator[tuple[bytes, bytes]]:
    r"""Yield (key, value) of the records ``LENGTH KEY=VALUE\n`` that matter; LENGTH counts all."""
    payload = payload.rstrip(b"\0")
    at = count = 0
    while at < len(payload):
        count += 1
        if count > _MAX_RECORDS:
            what = "a pax header has too many records"
            raise Malformed(what, f"at most {_MAX_RECORDS} records", "more")
        begin = _RECORD.match(payload, at)
        end = at + int(begin[1]) if begin else 0
        if begin is None or end <= begin.end() or payload[end - 1 : end] != b"\n":
            found = repr(payload[at : at + 40])
            raise Malformed("a pax header is malformed", "LENGTH KEY=VALUE", found)
        if begin[2] is not None:
            yield begin[2], payload[begin.end() : end - 1]
        at = end


def sparse(raw: bytes) -> Malformed:
    """Return the refusal of a sparse file, whose bytes do not all stand in the archive."""
    return Malformed("a member is stored as a sparse file", "all of its bytes", repr(raw))
