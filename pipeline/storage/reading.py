"""What is there, and its bytes."""

from __future__ import annotations

import contextlib
import errno
import os
import stat as stat_module
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow as pa

from pipeline.errors import OutputDamaged
from pipeline.storage.oserrors import at, translated

_FIRST_BUFFER = 1 << 18  # bytes; a larger one costs half a millisecond of page faults
_MAX_OPEN = 128  # files; more than are announced ahead, fewer than a process may open
_LEADS_NOWHERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}


@dataclass(frozen=True)
class FileInfo:
    """Size in bytes and modification time in nanoseconds since the epoch."""

    size: int
    mtime_ns: int


class Entry(NamedTuple):
    """What a folder holds under a name, links followed.

    Attributes:
        name: as the operating system gives it.
        kind: ``file``, ``folder``, ``broken link`` or ``special file``.
        size: bytes of a file; 0 for all else.
    """

    name: str
    kind: str
    size: int


def stat(path: Path) -> FileInfo | None:
    """Return what is known of a regular file without opening it, or None if there is none."""
    try:
        info = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise translated(error, path) from error
    if not stat_module.S_ISREG(info.st_mode):
        return None
    return FileInfo(info.st_size, info.st_mtime_ns)


def sizes(folder: Path) -> dict[str, int]:
    """Return name -> size of the regular files in a folder, in one listing; {} if it is absent."""
    found: dict[str, int] = {}
    with at(folder):
        for entry in scan(folder):
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    found[entry.name] = entry.stat(follow_symlinks=False).st_size
    return found


def entries(folder: Path) -> list[Entry]:
    """Return everything that a folder holds, links followed, in no order; [] if it is absent."""
    with at(folder):
        return [found for entry in scan(folder) if (found := _followed(entry))]


def real_folder(path: Path) -> Path | None:
    """Return where a folder really lies, links resolved, or None if there is no such folder."""
    try:
        real = Path(os.path.realpath(path, strict=True))
        return real if stat_module.S_ISDIR(os.stat(real).st_mode) else None
    except OSError as error:
        if error.errno in _LEADS_NOWHERE:
            return None
        raise translated(error, path) from error


def folders(folder: Path, *, links: bool = False) -> list[str]:
    """Return the names of the folders in a folder, sorted; [] if it is absent.

    Args:
        folder: where to look.
        links: whether links to folders count.
    """
    with at(folder):
        return sorted(entry.name for entry in scan(folder) if entry.is_dir(follow_symlinks=links))


def is_empty(folder: Path) -> bool:
    """Whether there is nothing in a folder; true if it is absent."""
    return not scan(folder)


def read_bytes(path: Path) -> bytes:
    """Return a whole (small) file."""
    with at(path):
        return path.read_bytes()


@contextlib.contextmanager
def open_arrow(path: Path) -> Iterator[pa.NativeFile]:
    """Open a file for Arrow, memory-mapped: only the pages that are read become resident.

    Raises:
        OutputDamaged: in the context Arrow finds that the file is not what it wrote.
    """
    try:
        with pa.memory_map(str(path), "r") as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise translated(error, path) from error
        raise OutputDamaged(
            "the table is not as it was written",
            file=str(path),
            found=str(error),
            remedy="remove the file and run the shardmill command again: it is made anew",
        ) from error


class RangeReader:
    """Reads byte ranges of one file.

    The view that `read` returns is valid until the next `read`: the buffer is reused, because
    a fresh allocation of some 100 KB for every picture costs more than the copy itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with at(path):
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            info = os.fstat(self._fd)
        self.info = FileInfo(info.st_size, info.st_mtime_ns)
        self._buffer = memoryview(bytearray(_FIRST_BUFFER))

    def now(self) -> FileInfo:
        """Return size and modification time as they are now; `info` has those at opening."""
        with at(self.path):
            info = os.fstat(self._fd)
        return FileInfo(info.st_size, info.st_mtime_ns)

    def will_need(self, offset: int, length: int) -> None:
        """Tell the kernel that this range will be read soon."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._fd, offset, length, os.POSIX_FADV_WILLNEED)

    def read(self, offset: int, length: int) -> memoryview:
        """Return up to `length` bytes at `offset`; fewer only where the file ends."""
        if length > len(self._buffer):
            self._buffer = memoryview(bytearray(length + length // 4))
        try:
            return _read_into(self._buffer[:length], self._fd, offset)
        except OSError as error:
            raise translated(error, self.path) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SourceReader:
    """Reads byte ranges of many files in a folder, of which few are open at a time.

    The view that `read` returns is valid until the next `read`, as with `RangeReader`.

    Args:
        root: the folder; a source that is an absolute path is taken as it is.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._open: OrderedDict[str, int] = OrderedDict()
        self._buffer = memoryview(bytearray(_FIRST_BUFFER))

    def path(self, source: str) -> Path:
        """Return where a source lies."""
        return self.root / source

    def now(self, source: str) -> FileInfo:
        """Return size and modification time of a source as they are now."""
        with at(self.path(source)):
            info = os.fstat(self._fd(source))
        return FileInfo(info.st_size, info.st_mtime_ns)

    def will_need(self, source: str, offset: int, length: int) -> None:
        """Tell the kernel that this range will be read soon."""
        fd = self._fd(source)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, offset, length, os.POSIX_FADV_WILLNEED)

    def read(self, source: str, offset: int, length: int) -> memoryview:
        """Return up to `length` bytes at `offset`; fewer only where the file ends."""
        if length > len(self._buffer):
            self._buffer = memoryview(bytearray(length + length // 4))
        with at(self.path(source)):
            return _read_into(self._buffer[:length], self._fd(source), offset)

    def close(self) -> None:
        """Close every file."""
        while self._open:
            os.close(self._open.popitem()[1])

    def _fd(self, source: str) -> int:
        fd = self._open.get(source)
        if fd is None:
            path = self.path(source)
            with at(path):
                fd = self._open[source] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            if len(self._open) > _MAX_OPEN:
                os.close(self._open.popitem(last=False)[1])
        return fd

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def pointed(link: Path) -> str | None:
    """Return what a link made by `point` points to, or None."""
    try:
        return os.readlink(link)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise translated(error, link) from error


def free_bytes(folder: Path) -> int:
    """Return the bytes that may still be written to the file system that holds `folder`."""
    with at(folder):
        info = os.statvfs(_existing(folder))
    return info.f_bavail * info.f_frsize


def scan(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder; [] if it is absent."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _followed(entry: os.DirEntry[str]) -> Entry | None:
    try:
        info = entry.stat()
    except OSError as error:
        if error.errno not in _LEADS_NOWHERE:
            raise translated(error, Path(entry.path)) from error
        # What is no link was there when it was listed, and is gone.
        return Entry(entry.name, "broken link", 0) if entry.is_symlink() else None
    if stat_module.S_ISREG(info.st_mode):
        return Entry(entry.name, "file", info.st_size)
    kind = "folder" if stat_module.S_ISDIR(info.st_mode) else "special file"
    return Entry(entry.name, kind, 0)


def _read_into(view: memoryview, fd: int, offset: int) -> memoryview:
    done = 0
    while done < len(view):
        count = os.preadv(fd, [view[done:]], offset + done)
        if count == 0:
            break
        done += count
    return view[:done]


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
