"""The members of a zip archive, from its central directory: two reads, whatever its size.

The archive lies anywhere where ranges can be read. Source: PKWARE's APPNOTE 6.3.10, 4.3 and 4.4.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from pipeline.archives.zip_end import (
    FULL16,
    FULL32,
    HEADER_BYTES,
    REMEDY,
    Directory,
    RangeSource,
    find_directory,
    refused,
)
from pipeline.errors import ArchiveRefused
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
_LENGTHS: Final = struct.Struct("<4s24xHHH")
_MEMBERS: Final = pa.schema(
    [
        *(INDEX_SCHEMA.field(name) for name in ("name", "offset", "packed", "size")),
        *(INDEX_SCHEMA.field(name) for name in ("crc32", "method")),
        ("least", pa.int64()),  # bytes that a member takes at least
    ]
)
_CHUNK: Final = 1 << 12  # members that are parsed together
ENCRYPTED, UTF8 = 0x0001, 0x0800  # flags of a member
_ENCRYPTED: Final = "an encrypted member"
_UNPACK: Final = (
    "unpack it with its password, by `unzip ARCHIVE -d FOLDER` or `7z x ARCHIVE -oFOLDER`, and name"
    " the folder instead"
)
_MOST_PACKING: Final = 1032  # deflate makes no more bytes of one
_EXTRA64: Final = 1
_MOST: Final = 1 << 62  # no offset or size is so large, and sums of two fit into an int64
_REFUSED: Final = ("/", "\\", "\0")
_DOS: Final = (0, 10, 14)  # systems that part folders by backslashes: FAT, NTFS and VFAT
_NO_FILES: Final = frozenset({"", ".", ".."})


def read_index(
    source: RangeSource, size: int, file: str, *, with_folders: bool = False
) -> pa.Table:
    """Read the central directory of an archive.

    Args:
        source: the archive.
        size: its bytes.
        file: what errors call it.
        with_folders: whether its files may lie in folders, which are left out themselves.

    Returns:
        A table of `INDEX_SCHEMA`.

    Raises:
        ArchiveRefused: it is no zip archive or is cut off; it has parts elsewhere, encrypted
            members, or ones of other methods; names that occur twice or lead out of a folder;
            members that share bytes or claim more than theirs can hold.
    """
    directory = find_directory(source, size, file)
    content = directory.content or source.read(directory.offset, directory.size)
    if len(content) != directory.size:
        raise refused(file, "the archive ends too early", f"{directory.size:,} bytes", "fewer")
    return _parsed(content, directory, file, with_folders=with_folders)


def _parsed(content: Buffer, directory: Directory, file: str, *, with_folders: bool) -> pa.Table:
    """Return the members by offset, parsed so many at a time that memory stays small."""
    view = memoryview(content)
    starts = _walk(view, directory, file)
    parts = [
        _part(view, starts[first : first + _CHUNK + 1], file, with_folders=with_folders)
        for first in range(0, directory.members, _CHUNK)
    ]
    members = pa.concat_tables([_MEMBERS.empty_table(), *parts])
    _check_distinct(members["name"], file)
    whole = _by_offset(members, directory, file)
    return whole.filter(pc.invert(pc.ends_with(whole["name"], "/"))) if with_folders else whole


def _walk(view: memoryview, directory: Directory, file: str) -> array[int]:
    """Return where the header of each member begins, and where the last one ends."""
    starts, at, size = array("q", [0]), 0, len(view)
    for number in range(directory.members):
        if at + HEADER_BYTES > size:
            raise _damaged(view, at, number, directory, file)
        magic, *lengths = _LENGTHS.unpack_from(view, at)
        if magic != b"PK\1\2" or at + HEADER_BYTES + sum(lengths) > size:
            raise _damaged(view, at, number, directory, file)
        at += HEADER_BYTES + sum(lengths)
        starts.append(at)
    return starts


def _damaged(
    view: memoryview, at: int, number: int, directory: Directory, file: str
) -> ArchiveRefused:
    return refused(
        file,
        "the list of members is damaged",
        "the header of a member",
        f"bytes {bytes(view[at : at + 4]).hex(' ')}, {len(view) - at:,} before its end",
        place=f"member {number + 1:,} of {directory.members:,}",
    )


def _part(view: memoryview, starts: array[int], file: str, *, with_folders: bool) -> pa.Table:
    """Return some members, a table of `_MEMBERS`; the last of `starts` is where they end."""
    data = bytes(view[starts[0] : starts[-1]])
    places = np.asarray(starts[:-1], np.int64) - starts[0]
    headers = np.frombuffer(b"".join(data[at : at + HEADER_BYTES] for at in places), _HEADER)
    ends = places + HEADER_BYTES + headers["name_bytes"]
    is_utf8 = headers["flags"] & UTF8 != 0
    names = [
        decoded_name(data[at + HEADER_BYTES : end], is_utf8=coded)
        for at, end, coded in zip(places, ends, is_utf8.tolist(), strict=True)
    ]
    if with_folders:
        of_dos = np.isin(headers["versions"] >> 8 & 0xFF, _DOS).tolist()
        names = [
            _with_slashes(name) if dos else name for name, dos in zip(names, of_dos, strict=True)
        ]
    numbers = {name: headers[name].astype(np.int64) for name in ("packed", "size", "offset")}
    for number in _not_fitting(numbers):
        extra = data[ends[number] : ends[number] + headers["extra_bytes"][number]]
        _widen(numbers, number, extra, file, names[number])
    if not with_folders:
        _check_names(names, file)
    _check(numbers, headers, names, file)
    columns = {
        "name": names,
        **numbers,
        "crc32": headers["crc32"],
        "method": headers["method"],
        "least": LOCAL_HEADER + headers["name_bytes"] + numbers["packed"],
    }
    return pa.table({name: pa.array(columns[name]) for name in _MEMBERS.names}, _MEMBERS)


def _not_fitting(numbers: dict[str, npt.NDArray[np.int64]]) -> list[int]:
    """Return which members have a number that does not fit into their headers."""
    stand_elsewhere = np.any([values == FULL32 for values in numbers.values()], axis=0)
    elsewhere: list[int] = np.flatnonzero(stand_elsewhere).tolist()
    return elsewhere


def decoded_name(name: bytes, *, is_utf8: bool) -> str:
    """Return the name of a member: UTF-8 where it says so, or is such; else of code page 437.

    The archives that macOS makes have UTF-8 and do not say so.
    """
    if is_utf8:
        return name.decode("utf-8", "replace")
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("cp437")


def _with_slashes(name: str) -> str:
    """Return a name with slashes between folders, as .NET for Windows once wrote backslashes."""
    return name if "/" in name else name.replace("\\", "/")


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
    """Refuse names that lead somewhere else than into one folder."""
    together = "".join(names)
    if _NO_FILES.isdisjoint(names) and not any(each in together for each in _REFUSED):
        return
    bad = next(n for n in names if n in _NO_FILES or any(each in n for each in _REFUSED))
    raise refused(
        file,
        "a member with a name that no file may have",
        "names without folders",
        "a name with /, \\ or NUL, or none",
        place=repr(bad[:200]),
    )


def _check_distinct(names: pa.ChunkedArray, file: str) -> None:
    """Refuse names that occur twice.

    They are counted by their hashes: 8 bytes of each, where a table of the names has over 100.
    """
    hashes = np.fromiter(
        (xxhash.xxh3_64_intdigest(name.as_buffer()) for name in names),
        np.uint64,
        len(names),
    )
    ordered = np.sort(hashes)
    alike = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not alike.size:
        return
    counts = names.filter(pa.array(np.isin(hashes, alike))).value_counts()
    doubled = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(doubled):
        what, place = "two members of one name", repr(doubled[0].as_py()[:200])
        raise refused(file, what, "each name once", "it twice", place=place)


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
        (headers["flags"] & ENCRYPTED != 0, _ENCRYPTED, "none that needs a password"),
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
            remedy = _UNPACK if what == _ENCRYPTED else REMEDY
            raise refused(file, what, expected, found, repr(names[first][:200]), remedy)


def _by_offset(members: pa.Table, directory: Directory, file: str) -> pa.Table:
    """Return the members by offset; none may share bytes with the next, or with the directory."""
    offsets = members["offset"].to_numpy()
    if (offsets[1:] < offsets[:-1]).any():  # as no common program writes them
        members = members.sort_by("offset").combine_chunks()
        offsets = members["offset"].to_numpy()
    room = np.append(offsets[1:], directory.offset) - offsets
    crowded = np.flatnonzero(room < members["least"].to_numpy())
    if crowded.size:
        raise refused(
            file,
            "members that share bytes",
            "each in bytes of its own, in front of the list of members",
            f"{crowded.size:,} that reach into what follows",
            place=repr(members["name"][int(crowded[0])].as_py()[:200]),
        )
    whole = members.append_column("room", pa.array(room))
    return whole.select(INDEX_SCHEMA.names)
