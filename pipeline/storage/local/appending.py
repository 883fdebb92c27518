"""Appends to an open file: at once, or several buffers together."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from pipeline.storage.local import writeback
from pipeline.storage.local.staging import Buffer

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_AT_ONCE: Final = 1 << 20  # bytes that do not wait for more
_MOST_BUFFERS: Final = 1024  # that the system takes at once: IOV_MAX of Linux


class Appends:
    """Appends to an open file.

    Args:
        fd: the file, empty.
        follows: whether the disk is to write the file while it grows, see `writeback`.
    """

    def __init__(self, fd: int, *, follows: bool) -> None:
        self.gathers = False
        """Whether what is appended waits for more, up to a mebibyte of it.

        A call of the system for each image is dearer, and file systems keep what they are given
        in pieces as large as that.
        """
        self._fd = fd
        self._follows = follows
        self._waiting = list[Buffer]()
        self._waiting_bytes = 0
        self._written = 0
        self._failure: OSError | None = None

    def append(self, buffers: Sequence[Buffer], total: int) -> None:
        """Append `total` bytes of buffers.

        If these gather, no view may change before `flush`; of a bytearray a copy waits, since
        who fills one often fills it again.

        Raises:
            OSError: they do not fit, or cannot be written for another reason.
        """
        if self.gathers:
            buffers = [bytes(each) if type(each) is bytearray else each for each in buffers]
        self._waiting += buffers
        self._waiting_bytes += total
        waits = self.gathers and self._waiting_bytes < _AT_ONCE
        if not waits or len(self._waiting) >= _MOST_BUFFERS:
            self.flush()

    def append_some(self, view: memoryview) -> int:
        """Append bytes from the beginning of a view; return how many, as a raw stream does.

        Raises:
            OSError: as of `append`.
        """
        self.flush()
        count = os.write(self._fd, view)
        self._wrote(count)
        return count

    def flush(self) -> None:
        """Write what waits for more.

        Raises:
            OSError: as of `append`; where this was not written once, it is raised ever after, for
                a file that lacks some bytes must not pass for whole, whoever met the error.
        """
        if self._failure is not None:
            raise self._failure
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        total, self._waiting_bytes = self._waiting_bytes, 0
        try:
            for first in range(0, len(waiting), _MOST_BUFFERS):
                _write_all(self._fd, waiting[first : first + _MOST_BUFFERS])
        except OSError as error:
            self._failure = error
            raise
        self._wrote(total)

    def continue_at(self, offset: int) -> None:
        """Append what comes next at an offset, behind what others have written.

        Raises:
            OSError: the file cannot seek.
        """
        self._written = os.lseek(self._fd, offset, os.SEEK_SET)

    def _wrote(self, count: int) -> None:
        self._written += count
        if self._follows:
            writeback.follow(self._fd, self._written - count, self._written)


class AppendingStream(io.RawIOBase):
    """A raw stream that appends.

    Args:
        append: takes bytes, and returns how many of them.
        end: returns where the file ends.
    """

    def __init__(self, append: Callable[[memoryview], int], end: Callable[[], int]) -> None:
        self._append = append
        self._end = end

    def writable(self) -> bool:
        """Return that it can be written."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Append bytes from the beginning of some; return how many."""
        return self._append(memoryview(data))

    def tell(self) -> int:
        """Return where the file ends."""
        return self._end()


def _write_all(fd: int, buffers: Sequence[Buffer]) -> None:
    written = os.writev(fd, buffers)
    for buffer in buffers if written != sum(map(len, buffers)) else ():
        view = memoryview(buffer)
        if written >= len(view):
            written -= len(view)
            continue
        view, written = view[written:], 0
        while view:
            view = view[os.write(fd, view) :]
