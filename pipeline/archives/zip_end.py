"""Where the central directory of a zip archive lies: what its last bytes say.

Source: PKWARE's APPNOTE 6.3.10, 4.3. The end of an archive, all numbers little-endian::

    central directory   a header of 46 bytes and more for each member
    [ZIP64 record]      56 bytes: counts, size and offset that do not fit into the last record
    [ZIP64 locator]     20 bytes: where that lies
    end record          22 bytes and a comment of up to 65,535
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Protocol

from pipeline.archives import signatures
from pipeline.errors import ArchiveRefused
from pipeline.storage import Buffer

FULL16: Final = 0xFFFF
FULL32: Final = 0xFFFFFFFF
"""A number that stands elsewhere, because it does not fit."""
HEADER_BYTES: Final = 46
"""Bytes of a member's header in the directory, beside its name, extra field and comment."""
REMEDY: Final = "get an intact copy of the archive"

_END: Final = struct.Struct("<4sHHHHLLH")
_LOCATOR: Final = struct.Struct("<4sLQL")
_END64: Final = struct.Struct("<4sQHHLLQQQQ")
_TAIL: Final = _END.size + FULL16 + _LOCATOR.size + _END64.size
_MOST_DIRECTORY: Final = 1 << 29  # bytes: some 6 million members


class RangeSource(Protocol):
    """What reads byte ranges of an archive, local or not."""

    def read(self, offset: int, length: int, /) -> memoryview:
        """Return up to `length` bytes at `offset`; fewer only where the archive ends."""


@dataclass(frozen=True)
class Directory:
    """A central directory.

    Attributes:
        offset: of its first byte in the archive.
        size: bytes.
        members: how many it lists.
        content: its bytes, if they were read already.
    """

    offset: int
    size: int
    members: int
    content: bytes = b""


def refused(
    file: str, what: str, expected: str, found: str, place: str | None = None, remedy: str = REMEDY
) -> ArchiveRefused:
    """Return the refusal of an archive."""
    return ArchiveRefused(
        what, file=file, place=place, expected=expected, found=found, remedy=remedy
    )


def find_directory(source: RangeSource, size: int, file: str) -> Directory:
    """Return where the central directory of an archive lies, by one read of its end.

    Args:
        source: the archive.
        size: its bytes.
        file: what errors call it.

    Raises:
        ArchiveRefused: it is no zip archive, is cut off, or has parts elsewhere.
    """
    start = max(0, size - _TAIL)
    tail = bytes(source.read(start, size - start))
    at = tail.rfind(b"PK\5\6")
    while at >= 0 and not _ends_with(tail, at):
        at = tail.rfind(b"PK\5\6", 0, at)
    if at < 0:
        raise _no_zip(source, size, file)
    _, disk, first_disk, here, members, length, offset, _ = _END.unpack_from(tail, at)
    end = start + at
    locator = at - _LOCATOR.size
    if locator >= 0 and tail.startswith(b"PK\6\7", locator):
        end, wide = _end64(source, tail, start, locator, file)
        members = wide[1] if members == FULL16 else members
        here = wide[0] if here == FULL16 else here
        length = wide[2] if length == FULL32 else length
        offset = wide[3] if offset == FULL32 else offset
    if disk not in {0, FULL16} or first_disk not in {0, FULL16} or here != members:
        raise refused(file, "a part of a zip archive", "all of its parts in one file", "a part")
    if offset + length > end or length > _MOST_DIRECTORY or members * HEADER_BYTES > length:
        raise refused(
            file,
            "the list of members is not where the archive says",
            f"{members:,} members in {length:,} bytes at byte {offset:,}",
            f"an archive whose list ends at byte {end:,}",
        )
    content = tail[offset - start : offset - start + length] if offset >= start else b""
    return Directory(offset, length, members, content)


def _ends_with(tail: bytes, at: int) -> bool:
    """Whether an end record at an offset is the last thing in an archive, but for its comment."""
    if at + _END.size > len(tail):
        return False
    return at + _END.size + int(_END.unpack_from(tail, at)[-1]) == len(tail)


def _end64(
    source: RangeSource, tail: bytes, start: int, locator: int, file: str
) -> tuple[int, tuple[int, int, int, int]]:
    """Return where the ZIP64 record lies, and its counts, size and offset."""
    _, disk, at, disks = _LOCATOR.unpack_from(tail, locator)
    within = at - start
    record: Buffer = b""
    if at + _END64.size <= start + locator:
        record = tail[within:locator] if within >= 0 else source.read(at, _END64.size)
    if len(record) < _END64.size or record[:4] != b"PK\6\6" or disk != 0 or disks > 1:
        raise refused(
            file, "the end of the archive is damaged", "its ZIP64 record", f"none at byte {at:,}"
        )
    _, _, _, _, _, _, here, members, length, offset = _END64.unpack_from(record)
    return at, (here, members, length, offset)


def _no_zip(source: RangeSource, size: int, file: str) -> ArchiveRefused:
    """Return why an archive without an end record is none."""
    head = bytes(source.read(0, min(size, signatures.HEAD_BYTES)))
    if head.startswith(b"PK"):
        return ArchiveRefused(
            "the archive does not end with the list of its members",
            file=file,
            place=f"byte {size:,}",
            expected="the end of a zip archive",
            found="another end of the file",
            remedy=f"the download broke off, or something was appended: {REMEDY}",
        )
    foreign = signatures.recognise(head)
    return ArchiveRefused(
        "no zip archive",
        file=file,
        expected="a zip archive",
        found=foreign.kind if foreign else f"bytes {head[:8].hex(' ')}" if head else "no byte",
        remedy=(foreign.cause if foreign else "") or REMEDY,
    )
