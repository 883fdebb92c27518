"""A model of a spinning disk, and what counts the reads and writes of this process for it.

A read or write costs a seek unless it begins where the one before it ended, and the time of its
bytes. What was read or written last is in memory and costs nothing, up to a given size, as with the
page cache; what is written goes to the disk 32 MiB at a time, as `storage.local.writeback` has it
done. Seeks are all of the same length, and the kernel orders no reads: both is simpler than a disk.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

PAGE = 4096
WRITTEN_AT_ONCE = 32 << 20
_SMALL = 1 << 16  # bytes: files such as marks, which reach the disk by a journal

File = tuple[int, int]
"""Which file, by device and inode."""


@dataclass(frozen=True)
class DiskSpeed:
    """What a disk takes.

    Attributes:
        seek_s: seconds until a read or write elsewhere begins, with half a turn.
        rate: bytes a second, in a row.
    """

    seek_s: float
    rate: float


@dataclass
class Disk:
    """What was read and written, and what a disk would have taken for it.

    Attributes:
        memory: bytes that the page cache keeps.
        seeks: how often another place was sought.
        moved: bytes that were read and written.
    """

    memory: int
    seeks: int = 0
    moved: int = 0
    _pages: OrderedDict[tuple[File, int], None] = field(default_factory=OrderedDict)
    _head: tuple[File, int] | None = None
    _written: dict[File, list[int]] = field(default_factory=dict)

    def seconds(self, speed: DiskSpeed) -> float:
        """Return what a disk takes for all of it."""
        return self.seeks * speed.seek_s + self.moved / speed.rate

    def read(self, file: File, offset: int, length: int) -> None:
        """Count a read, of which some may be in memory."""
        for page in range(offset // PAGE, -(-(offset + length) // PAGE)):
            if not self._keep(file, page):
                self._move(file, page * PAGE, PAGE)

    def write(self, file: File, length: int) -> None:
        """Count bytes that are appended to a file."""
        ends = self._written.setdefault(file, [0, 0])
        for page in range(ends[1] // PAGE, -(-(ends[1] + length) // PAGE)):
            self._keep(file, page)
        ends[1] += length
        if ends[1] - ends[0] >= WRITTEN_AT_ONCE:
            self._flush(file)

    def flush(self) -> None:
        """Write what is not written yet."""
        for file, (_, end) in self._written.items():
            if end >= _SMALL:
                self._flush(file)
        self._written = {}

    def _flush(self, file: File) -> None:
        begin, end = self._written[file]
        if begin < end:
            self._move(file, begin, end - begin)
        self._written[file] = [end, end]

    def _move(self, file: File, offset: int, length: int) -> None:
        if self._head != (file, offset):
            self.seeks += 1
        self._head = file, offset + length
        self.moved += length

    def _keep(self, file: File, page: int) -> bool:
        """Keep a page in memory; return whether it was there."""
        there = (file, page) in self._pages
        self._pages[file, page] = None
        self._pages.move_to_end((file, page))
        while len(self._pages) * PAGE > self.memory:
            self._pages.popitem(last=False)
        return there


@contextmanager
def counting(disk: Disk) -> Iterator[None]:
    """Count, in this context, what this process reads by `preadv` and appends to files."""
    preadv, writev, write = os.preadv, os.writev, os.write

    def read(fd: int, buffers: Sequence[Any], offset: int, *flags: int) -> int:
        count = preadv(fd, buffers, offset, *flags)
        if (file := _file(fd)) is not None:
            disk.read(file, offset, count)
        return count

    def append(fd: int, buffers: Sequence[Any]) -> int:
        count = writev(fd, buffers)
        if (file := _file(fd)) is not None:
            disk.write(file, count)
        return count

    def append_one(fd: int, data: Any) -> int:
        count = write(fd, data)
        if (file := _file(fd)) is not None:
            disk.write(file, count)
        return count

    with (
        mock.patch.object(os, "preadv", read),
        mock.patch.object(os, "writev", append),
        mock.patch.object(os, "write", append_one),
    ):
        yield
    disk.flush()


def _file(fd: int) -> File | None:
    info = os.fstat(fd)
    return (info.st_dev, info.st_ino) if stat.S_ISREG(info.st_mode) else None
