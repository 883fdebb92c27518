"""Reads byte ranges of one file, or of many files of which a few are open at a time."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import resource
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from pipeline.storage.closing import Closing
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.local.listing import stat
from pipeline.storage.local.oserrors import translate_oserrors
from pipeline.storage.local.retrying import patiently, try_again
from pipeline.storage.local.stamps import settled_stamp

_Result = TypeVar("_Result")

_FIRST_BUFFER = 1 << 18  # bytes; a larger one costs half a millisecond of page faults
_KEPT = 1 << 20  # bytes of views that are kept: as many are written at once
_ALL_CACHED = 128  # reads in a row
_NOT_NOW = {errno.EAGAIN, errno.EOPNOTSUPP}
_MAX_OPEN = 128  # files; more than are announced ahead
_SHARE = 4  # of the files that a process may open, a reader takes one in so many
_NO_DESCRIPTOR = {errno.EMFILE, errno.ENFILE}


class RangeReader(Closing):
    """Reads byte ranges of one file.

    The view that `read` returns is valid until the next `read`: the buffer is reused, because
    a fresh allocation of some 100 KB for every image costs more than the copy itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with translate_oserrors(path):
            self._fd = patiently(partial(os.open, path, os.O_RDONLY | os.O_CLOEXEC))
            info = os.fstat(self._fd)
        self.info = FileInfo.of(info)
        self._buffer = memoryview(bytearray(_FIRST_BUFFER))

    def now(self) -> FileInfo:
        """Return size and stamp as they are now; `info` has those at opening."""
        with translate_oserrors(self.path):
            info = os.fstat(self._fd)
        return FileInfo.of(info)

    def will_need(self, offset: int, length: int) -> None:
        """Tell the kernel that this range will be read soon."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._fd, offset, length, os.POSIX_FADV_WILLNEED)

    def expect_scattered(self) -> None:
        """Tell the kernel that small ranges will be read, far apart: nothing is read ahead."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_RANDOM)

    def read(self, offset: int, length: int) -> memoryview:
        """Return up to `length` bytes at `offset`; fewer only where the file ends."""
        if length > len(self._buffer):
            self._buffer = memoryview(bytearray(length + length // 4))
        with translate_oserrors(self.path):
            return patiently(partial(_read_into, self._buffer[:length], self._fd, offset))

    def read_cached(self, offset: int, length: int) -> memoryview | None:
        """Return what `read` returns, if all of it is in memory; None: it is not, or who knows.

        Args:
            offset: in bytes.
            length: in bytes, at most 256 KiB.
        """
        view = self._buffer[:length]
        with translate_oserrors(self.path):
            count = patiently(partial(read_in_memory, view, self._fd, offset))
        return view if count == length else None

    def read_into(self, view: memoryview, offset: int) -> int:
        """Read what stands at `offset` into a view; return how many bytes that are.

        They are fewer than the view has only where the file ends.
        """
        with translate_oserrors(self.path):
            return len(patiently(partial(_read_into, view, self._fd, offset)))

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def holds(path: Path, content: bytes) -> bool:
    """Whether a file holds exactly some bytes; one of another size is not read."""
    with RangeReader(path) as reader:
        same_size = reader.info.size == len(content)
        return same_size and reader.read(0, len(content)) == content


class SourceReader(Closing):
    """Reads byte ranges of many files in a folder, of which few are open at a time.

    The view that `read` returns is valid until the next `read`, as with `RangeReader`, or longer,
    see `keep_views`.

    Args:
        root: the folder; a source that is an absolute path is taken as it is.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._prefix = os.path.join(root, "")
        self._open: OrderedDict[str, int] = OrderedDict()
        self._buffer = memoryview(bytearray(_FIRST_BUFFER))
        self._used = 0  # bytes of the buffer that are views which are kept
        self._before_reuse: Callable[[], None] | None = None
        self._cached = 0  # reads in a row that did not wait for the disk
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = max(1, min(_MAX_OPEN, allowed // _SHARE)) if allowed > 0 else _MAX_OPEN

    def path(self, source: str) -> Path:
        """Return where a source lies."""
        return self.root / source

    def look(self, source: str) -> FileInfo | None:
        """Return what is known of a source without opening it; None if it is no regular file."""
        return stat(self._name(source))

    def now(self, source: str) -> FileInfo:
        """Return size and stamp of a source as they are now."""
        info = self._patiently(source, lambda: os.fstat(self._fd(source)))
        return FileInfo.of(info)

    def stamp(self, source: str) -> int:
        """Return the stamp to record with what is read next of a source that is a whole file."""
        return settled_stamp(self._patiently(source, lambda: os.fstat(self._fd(source))))

    def will_need(self, source: str, offset: int, length: int) -> None:
        """Tell the kernel that this range will be read soon, unless all of late was in memory."""
        if self._cached < _ALL_CACHED and hasattr(os, "posix_fadvise"):
            fd = self._patiently(source, partial(self._fd, source))
            os.posix_fadvise(fd, offset, length, os.POSIX_FADV_WILLNEED)

    def not_cached(self, source: str, offset: int, length: int) -> None:
        """Have the kernel read this range from where it is stored when it is asked for again."""
        if hasattr(os, "posix_fadvise"):
            first = offset - offset % mmap.PAGESIZE  # of pages that are cut nothing is dropped
            size = -(-(offset + length - first) // mmap.PAGESIZE) * mmap.PAGESIZE
            fd = self._patiently(source, partial(self._fd, source))
            os.posix_fadvise(fd, first, size, os.POSIX_FADV_DONTNEED)

    def read(self, source: str, offset: int, length: int) -> memoryview:
        """Return up to `length` bytes at `offset`; fewer only where the file ends.

        An error that may pass, such as ESTALE, is met by opening the file again, a few times.
        """
        start = self._used if self._before_reuse is not None else 0
        end = start + length
        if end > len(self._buffer):
            start, end = 0, length
            if self._before_reuse is not None:
                self._before_reuse()
            if length > len(self._buffer):
                self._buffer = memoryview(bytearray(length + length // 4))
        self._used = end
        view = self._buffer[start:end]
        try:  # without the closure that `read_into` needs for each read
            done = self._read(source, offset, view)
        except OSError as error:
            done = self._try_again(source, partial(self._read, source, offset, view), error)
        return view if done == length else view[:done]

    def keep_views(self, before_reuse: Callable[[], None]) -> bool:
        """Have each view be valid until `before_reuse` is called; return that it is so."""
        self._buffer = memoryview(bytearray(max(_KEPT, len(self._buffer))))
        self._before_reuse, self._used = before_reuse, 0
        return True

    def read_into(self, source: str, offset: int, target: memoryview) -> int:
        """Fill memory of the caller with what stands at `offset`, and return how many bytes.

        They are fewer only where the file ends. Errors are met as by `read`.
        """
        return self._patiently(source, partial(self._read, source, offset, target))

    def read_whole(self, source: str, length: int) -> tuple[memoryview, int]:
        """Return the bytes of a file that was `length` bytes long, and how long it is by now.

        If it has another length now, it was changed.
        """
        data = self.read(source, 0, length)
        return data, len(data) if len(data) < length else self.now(source).size

    def close(self) -> None:
        """Close every file."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _read(self, source: str, offset: int, target: memoryview) -> int:
        fd = self._fd(source)
        done = read_in_memory(target, fd, offset)
        if done == len(target):
            self._cached += 1
            return done
        self._cached = 0
        return done + len(_read_into(target[done:], fd, offset + done))

    def _fd(self, source: str) -> int:
        fd = self._open.get(source)
        if fd is None:
            fd = self._open[source] = self._opened(source)
            self._close_beyond(self._most)
        return fd

    def _opened(self, source: str) -> int:
        """Open a source; where the process has no descriptor left, other sources are closed."""
        while True:
            try:
                return os.open(self._name(source), os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                if error.errno not in _NO_DESCRIPTOR or not self._open:
                    raise
                self._most = max(1, len(self._open) // 2)
                self._close_beyond(self._most - 1)

    def _name(self, source: str) -> str:
        """Return where a source lies as text, which takes a tenth of the time of a `Path`."""
        return source if source[:1] == "/" else self._prefix + source

    def _close_beyond(self, most: int) -> None:
        while len(self._open) > most:
            os.close(self._open.popitem(last=False)[1])

    def _patiently(self, source: str, attempt: Callable[[], _Result]) -> _Result:
        try:
            return attempt()
        except OSError as error:
            return self._try_again(source, attempt, error)

    def _try_again(self, source: str, attempt: Callable[[], _Result], error: OSError) -> _Result:
        with translate_oserrors(self.path(source)):
            return try_again(attempt, error, lambda _error: self._forget(source))

    def _forget(self, source: str) -> None:
        fd = self._open.pop(source, None)
        if fd is not None:
            with contextlib.suppress(OSError):  # only read from, so nothing can be lost
                os.close(fd)


def read_in_memory(view: memoryview, fd: int, offset: int) -> int:
    """Read what is in memory already; return how many bytes from the beginning that is."""
    if not hasattr(os, "RWF_NOWAIT"):
        return 0
    try:
        return os.preadv(fd, [view], offset, os.RWF_NOWAIT)
    except OSError as error:
        if error.errno in _NOT_NOW:
            return 0
        raise


def _read_into(view: memoryview, fd: int, offset: int) -> memoryview:
    done = 0
    while done < len(view):
        count = os.preadv(fd, [view[done:]], offset + done)
        if count == 0:
            break
        done += count
    return view[:done]
