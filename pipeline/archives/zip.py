"""Members of a zip archive, read by few ranges, each checked by its CRC-32.

`zip_index` says where they lie. What lies close together is read at once: a range of some KiB that
nobody asked for costs less than another request.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.archives.zip_end import RangeSource, refused
from pipeline.archives.zip_index import ENCRYPTED, LOCAL_HEADER, STORED, UTF8, decoded_name
from pipeline.errors import ArchiveRefused
from pipeline.storage import Buffer

GAP: Final = 64 << 10
"""Bytes between two members up to which both are read by one range."""
MOST_READ: Final = 4 << 20
"""Bytes of one range, unless a single member takes more."""
MOST_CONTENT: Final = 64 << 20
"""Bytes of a member that is read into memory, unless more are allowed."""

_AHEAD: Final = 64  # ranges that are announced before they are read; the reader bounds their bytes
_LOCAL: Final = struct.Struct("<4s2xHH16xHH")
_MOST_EXTRA: Final = 0xFFFF  # bytes of a local header's extra field
_RAW_DEFLATE: Final = -15


class ZipMember(NamedTuple):
    """A member, a row of `zip_index.INDEX_SCHEMA`."""

    name: str
    offset: int
    room: int
    packed: int
    size: int
    crc32: int
    method: int


@dataclass(frozen=True, eq=False)
class Span:
    """A range of an archive, and the members in it that are wanted.

    Attributes:
        offset: of its first byte in the archive.
        length: bytes.
        index: a table of `zip_index.INDEX_SCHEMA` that all ranges share: an object for each of
            100,000 members would take some 40 MB.
        first: the row of its first member.
        stop: the row behind its last one.
    """

    offset: int
    length: int
    index: pa.Table
    first: int
    stop: int

    @property
    def members(self) -> list[ZipMember]:
        """Its members, by offset."""
        return members_of(self.index.slice(self.first, self.stop - self.first))


class ZipSource(RangeSource, Protocol):
    """An archive that is told what will be read of it."""

    def will_need(self, offset: int, length: int, /) -> None:
        """Say that a range will be read soon, behind those that were said before."""

    def not_cached(self, offset: int, length: int, /) -> None:
        """Have a range read from where it is stored when it is asked for again."""


def members_of(index: pa.Table) -> list[ZipMember]:
    """Return the rows of a table of `zip_index.INDEX_SCHEMA`."""
    columns = (index[name].to_pylist() for name in ZipMember._fields)
    return [ZipMember(*row) for row in zip(*columns, strict=True)]


def spans(members: pa.Table, *, gap: int = GAP, most: int = MOST_READ) -> list[Span]:
    """Return the ranges that hold all of some members, ascending.

    Args:
        members: rows of `zip_index.INDEX_SCHEMA`, by offset.
        gap: bytes between two of them that are read for nothing, at most.
        most: bytes of a range, unless a single member takes more.
    """
    offsets, ends = members["offset"].to_numpy(), _ends(members)
    breaks = np.append(np.flatnonzero(offsets[1:] - ends[:-1] > gap) + 1, len(offsets))
    found, first = list[Span](), 0
    while first < len(offsets):
        near = int(breaks[np.searchsorted(breaks, first, side="right")])
        fitting = int(np.searchsorted(ends, offsets[first] + most, side="right"))
        stop = min(near, max(first + 1, fitting))
        length = int(ends[stop - 1] - offsets[first])
        found.append(Span(int(offsets[first]), length, members, first, stop))
        first = stop
    return found


def _ends(members: pa.Table) -> npt.NDArray[np.int64]:
    """Return the byte behind all that can be of each member, its local header included.

    They ascend, since none reaches into the next.
    """
    name_bytes = 4 * pc.utf8_length(members["name"]).to_numpy().astype(np.int64)
    most = LOCAL_HEADER + name_bytes + _MOST_EXTRA + members["packed"].to_numpy()
    ends: npt.NDArray[np.int64] = members["offset"].to_numpy() + np.minimum(
        members["room"].to_numpy(), most
    )
    return ends


def read_members(
    source: ZipSource, wanted: Iterable[Span], file: str, *, most: int = MOST_CONTENT
) -> Iterator[tuple[ZipMember, bytes]]:
    """Yield members with their contents, range by range.

    Args:
        source: the archive.
        wanted: see `spans`.
        file: what errors call the archive.
        most: bytes that a member may have.

    Raises:
        ArchiveRefused: a member is not what the index says, also when it is read again.
        ShardmillError: a range cannot be read.

    Between two members nothing else may be read from the source.
    """
    ahead = deque[Span]()
    for span in wanted:
        source.will_need(span.offset, span.length)
        ahead.append(span)
        if len(ahead) > _AHEAD:
            yield from _read_span(source, ahead.popleft(), file, most)
    while ahead:
        yield from _read_span(source, ahead.popleft(), file, most)


def _read_span(
    source: ZipSource, span: Span, file: str, most: int
) -> Iterator[tuple[ZipMember, bytes]]:
    """Yield the members of a range; what is damaged on its way is read once more."""
    members = span.members
    for member in members:
        _check_size(member, most, file)
    data = source.read(span.offset, span.length)
    for member in members:
        try:
            content = _unpacked(data, span, member, file)
        except ArchiveRefused:
            source.not_cached(span.offset, span.length)
            data = source.read(span.offset, span.length)
            content = _unpacked(data, span, member, file)
        yield member, content


def _unpacked(data: Buffer, span: Span, member: ZipMember, file: str) -> bytes:
    start = member.offset - span.offset
    try:
        magic, flags, method, name_bytes, extra = _LOCAL.unpack_from(data, start)
    except struct.error as error:
        raise _cut(member, file) from error
    start += LOCAL_HEADER
    name = bytes(data[start : start + name_bytes])
    if (
        magic != b"PK\3\4"
        or method != member.method
        or flags & ENCRYPTED
        or not _is_called(member, decoded_name(name, is_utf8=bool(flags & UTF8)))
    ):
        expected = "the header of the member that the list names"
        raise _refused("a member is not where the archive says", member, file, expected, "another")
    start += name_bytes + extra
    packed = data[start : start + member.packed]
    if len(packed) != member.packed:
        raise _cut(member, file)
    content = bytes(packed) if method == STORED else _inflated(packed, member, file)
    crc = zlib.crc32(content)
    if crc != member.crc32:
        what, expected = "a member is damaged", f"CRC-32 {member.crc32:08x}"
        raise _refused(what, member, file, expected, f"{crc:08x}")
    return content


def _is_called(member: ZipMember, name: str) -> bool:
    """Whether the header of a member has its name, perhaps with backslashes between folders."""
    return name == member.name or name.replace("\\", "/") == member.name


def _inflated(packed: Buffer, member: ZipMember, file: str) -> bytes:
    stream = zlib.decompressobj(_RAW_DEFLATE)
    try:
        content = stream.decompress(packed, member.size + 1)
    except zlib.error as error:
        what, expected = "a member is damaged", "deflated data"
        raise _refused(what, member, file, expected, str(error)) from error
    if len(content) != member.size or not stream.eof or stream.unconsumed_tail:
        what = "a member has another size than the archive says"
        found = "more" if len(content) > member.size else "fewer, or data behind their end"
        raise _refused(what, member, file, f"{member.size:,} bytes", found)
    return content


def _check_size(member: ZipMember, most: int, file: str) -> None:
    if max(member.size, member.packed) > most:
        what, found = "a member is too large", f"{member.size:,} bytes in {member.packed:,}"
        raise _refused(what, member, file, f"at most {most:,} bytes", found)


def _cut(member: ZipMember, file: str) -> ArchiveRefused:
    expected = f"{member.packed:,} bytes behind byte {member.offset:,}"
    return _refused("a member is cut off", member, file, expected, "the end of the archive")


def _refused(what: str, member: ZipMember, file: str, expected: str, found: str) -> ArchiveRefused:
    return refused(file, what, expected, found, place=member.name)
