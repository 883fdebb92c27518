"""The members of a zip archive, from its central directory: two reads, whatever its size.

The archive lies anywhere where ranges can be read. Source: PKWARE's APPNOTE 6.3.10, 4.3 and 4.4.
"""

from __future__ import annotations

import struct
from array import array
from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.archives.zip_end import (
    FULL16,
    FULL32,
    HEADER_BYTES,
    Directory,
    RangeSource,
    find_directory,
    refused,
)
from pipeline.storage import Buffer

INDEX_SCHEMA: Final = pa.schema(
    [
        ("name", pa.string()),
        ("offset", pa.int64()),  # of its local header
        ("room", pa.int64()),  # bytes from there to what comes next in the archive
        ("packed", pa.int64()),  # bytes of its data in the archive
        ("size", pa.int64()),  # bytes of its content
        ("crc32", pa.uint32()),  # of its content
        ("method", pa.uint16()),  # `STORED` or `DEFLATED`
    ]
)
"""One row per member, by offset."""

STORED: Final = 0
DEFLATED: Final = 8
LOCAL_HEADER: Final = 30
"""Bytes of the header in front of a member, beside its name and extra field."""

_HEADER: Final = np.dtype(
    [
        *(("magic", "<u4"), ("versions", "<u4"), ("flags", "<u2"), ("method", "<u2")),
        *(("time", "<u4"), ("crc32", "<u4"), ("packed", "<u4"), ("size", "<u4")),
        *(("name_bytes", "<u2"), ("extra_bytes", "<u2"), ("comment_bytes", "<u2")),
        *(("disk", "<u2"), ("internal", "<u2"), ("external", "<u4"), ("offset", "<u4")),
    ]
)
_LENGTHS: Final = struct.Struct("<28xHHH")
ENCRYPTED, UTF8 = 0x0001, 0x0800  # flags of a member
_MOST_PACKING: Final = 1032  # deflate makes no more bytes of one
_EXTRA64: Final = 1
_MOST: Final = 1 << 62  # no offset or size is so large, and sums of two fit into an int64
_REFUSED: Final = ("/", "\\", "\0")
_NO_FILES: Final = frozenset({"", ".", ".."})


def read_index(source: RangeSource, size: int, file: str) -> pa.Table:
    """Read the central directory of an archive of files that lie in no folders.

    Args:
        source: the archive.
        size: its bytes.
        file: what errors call it.

    Returns:
        A table of `INDEX_SCHEMA`.

    Raises:
        ArchiveRefused: it is no zip archive or is cut off; it has parts elsewhere, encrypted
            members, or ones of other methods; names that occur twice or lead out of a folder;
            members that share bytes or claim more than theirs can hold.
    """
    found = find_directory(source, size, file)
    content = found.content or source.read(found.offset, found.size)
    if len(content) != found.size:
        raise refused(file, "the archive ends too early", f"{found.size:,} bytes", "fewer")
    return _parsed(content, found, file)


def _parsed(content: Buffer, directory: Directory, file: str) -> pa.Table:
    data = bytes(content)
    starts = _walk(data, directory, file)
    headers = np.frombuffer(b"".join(data[at : at + HEADER_BYTES] for at in starts), _HEADER)
    ends = np.asarray(starts, np.int64) + HEADER_BYTES + headers["name_bytes"]
    is_utf8 = (headers["flags"] & UTF8 != 0).tolist()
    names = [
        _decoded(data[at + HEADER_BYTES : end], is_utf8[number])
        for number, (at, end) in enumerate(zip(starts, ends.tolist(), strict=True))
    ]
    numbers = {name: headers[name].astype(np.int64) for name in ("packed", "size", "offset")}
    for number in _not_fitting(numbers):
        extra = data[ends[number] : ends[number] + headers["extra_bytes"][number]]
        _widen(numbers, number, extra, file, names[number])
    _check_names(names, file)
    _check(numbers, headers, names, file)
    return _table(numbers, headers, names, directory, file)


def _walk(data: bytes, directory: Directory, file: str) -> array[int]:
    """Return where the header of each member begins."""
    starts, at = array("q"), 0
    for number in range(directory.members):
        lengths = _LENGTHS.unpack_from(data, at) if at + HEADER_BYTES <= len(data) else (len(data),)
        starts.append(at)
        after = at + HEADER_BYTES + sum(lengths)
        if after > len(data) or not data.startswith(b"PK\1\2", at):
            raise refused(
                file,
                "the list of members is damaged",
                "the header of a member",
                f"bytes {data[at : at + 4].hex(' ')}, {len(data) - at:,} before its end",
                place=f"member {number + 1:,} of {directory.members:,}",
            )
        at = after
    return starts


def _not_fitting(numbers: dict[str, npt.NDArray[np.int64]]) -> list[int]:
    """Return which members have a number that does not fit into their headers."""
    stand_elsewhere = np.any([values == FULL32 for values in numbers.values()], axis=0)
    elsewhere: list[int] = np.flatnonzero(stand_elsewhere).tolist()
    return elsewhere


def _decoded(name: bytes, is_utf8: bool) -> str:
    if name.isascii():
        return name.decode("ascii")
    return name.decode("utf-8", "replace") if is_utf8 else name.decode("cp437")


def _widen(
    numbers: dict[str, npt.NDArray[np.int64]], number: int, extra: bytes, file: str, name: str
) -> None:
    """Take the numbers of a member that do not fit into its header from its ZIP64 field."""
    wide = _wide(extra)
    for column in ("size", "packed", "offset"):
        if numbers[column][number] == FULL32:
            value = next(wide, _MOST)
            if value >= _MOST:
                what, expected = "the list of members is damaged", "numbers in a ZIP64 field"
                raise refused(file, what, expected, "none that can be", place=repr(name[:200]))
            numbers[column][number] = value


def _wide(extra: bytes) -> Iterator[int]:
    """Yield the numbers of a member's ZIP64 field, in their order."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        if kind == _EXTRA64:
            for place in range(at + 4, min(at + 4 + length, len(extra)) - 7, 8):
                yield struct.unpack_from("<Q", extra, place)[0]
        at += 4 + length


def _check_names(names: list[str], file: str) -> None:
    """Refuse names that lead somewhere else than into one folder, or that occur twice."""
    distinct = set(names)
    together = "".join(distinct)
    if distinct & _NO_FILES or any(each in together for each in _REFUSED):
        bad = next(n for n in names if n in _NO_FILES or any(each in n for each in _REFUSED))
        raise refused(
            file,
            "a member with a name that no file may have",
            "names without folders",
            "a name with /, \\ or NUL, or none",
            place=repr(bad[:200]),
        )
    if len(distinct) != len(names):
        doubled = next(name for name, count in Counter(names).items() if count > 1)
        what = "two members of one name"
        raise refused(file, what, "each name once", "it twice", place=repr(doubled[:200]))


def _check(
    numbers: dict[str, npt.NDArray[np.int64]],
    headers: npt.NDArray[np.void],
    names: list[str],
    file: str,
) -> None:
    """Refuse members that cannot be read, or claim more than their bytes can hold."""
    method, packed, size = headers["method"], numbers["packed"], numbers["size"]
    holds_less = (size > packed * _MOST_PACKING) | ((method == STORED) & (size != packed))
    for offends, what, expected in (
        (headers["flags"] & ENCRYPTED != 0, "an encrypted member", "none that needs a password"),
        (~np.isin(method, (STORED, DEFLATED)), "a member of an unknown method", "method 0 or 8"),
        (
            ~np.isin(headers["disk"], (0, FULL16)),
            "a part of a zip archive",
            "all of it in one file",
        ),
        (holds_less, "a member that claims more than it can hold", "what its bytes can hold"),
    ):
        if offends.any():
            first = int(np.argmax(offends))
            found = f"method {method[first]}, {size[first]:,} bytes in {packed[first]:,}"
            raise refused(file, what, expected, found, place=repr(names[first][:200]))


def _table(
    numbers: dict[str, npt.NDArray[np.int64]],
    headers: npt.NDArray[np.void],
    names: list[str],
    directory: Directory,
    file: str,
) -> pa.Table:
    """Return the members by offset; none may share bytes with the next, or with the directory."""
    order = np.argsort(numbers["offset"], kind="stable")
    offsets = numbers["offset"][order]
    room = np.append(offsets[1:], directory.offset) - offsets
    least = LOCAL_HEADER + headers["name_bytes"][order] + numbers["packed"][order]
    crowded = np.flatnonzero(room < least)
    if crowded.size:
        raise refused(
            file,
            "members that share bytes",
            "each in bytes of its own, in front of the list of members",
            f"{crowded.size:,} that reach into what follows",
            place=repr(names[order[crowded[0]]][:200]),
        )
    columns = {
        "name": pa.array(names, pa.string()).take(pa.array(order)),
        "offset": offsets,
        "room": room,
        **{name: numbers[name][order] for name in ("packed", "size")},
        **{name: headers[name][order] for name in ("crc32", "method")},
    }
    return pa.table({name: pa.array(values) for name, values in columns.items()}, INDEX_SCHEMA)
