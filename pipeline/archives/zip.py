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

import pyarrow as pa

from pipeline.archives.zip_end import RangeSource, refused
from pipeline.archives.zip_index import ENCRYPTED, LOCAL_HEADER, STORED, UTF8
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

    @property
    def end(self) -> int:
        """The byte behind all that can be of it, its local header included."""
        most = LOCAL_HEADER + 4 * len(self.name) + _MOST_EXTRA + self.packed
        return self.offset + min(self.room, most)


@dataclass(frozen=True)
class Span:
    """A range of an archive, and the members in it that are wanted, by offset."""

    offset: int
    length: int
    members: tuple[ZipMember, ...]


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


def spans(members: Iterable[ZipMember], *, gap: int = GAP, most: int = MOST_READ) -> list[Span]:
    """Return the ranges that hold all of some members.

    Args:
        members: in any order.
        gap: bytes between two of them that are read for nothing, at most.
        most: bytes of a range, unless a single member takes more.
    """
    found = list[Span]()
    group = list[ZipMember]()
    for member in sorted(members, key=lambda each: each.offset):
        if group:
            is_far = member.offset - group[-1].end > gap
            if is_far or member.end - group[0].offset > most:
                found.append(_span(group))
                group = []
        group.append(member)
    return [*found, _span(group)] if group else found


def _span(members: list[ZipMember]) -> Span:
    start, last = members[0].offset, members[-1]
    return Span(start, last.end - start, tuple(members))


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
        for member in span.members:
            _check_size(member, most, file)
        source.will_need(span.offset, span.length)
        ahead.append(span)
        if len(ahead) > _AHEAD:
            yield from _read_span(source, ahead.popleft(), file)
    while ahead:
        yield from _read_span(source, ahead.popleft(), file)


def _read_span(source: ZipSource, span: Span, file: str) -> Iterator[tuple[ZipMember, bytes]]:
    """Yield the members of a range; what is damaged on its way is read once more."""
    data = source.read(span.offset, span.length)
    for member in span.members:
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
        or name.decode("utf-8" if flags & UTF8 else "cp437", "replace") != member.name
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
