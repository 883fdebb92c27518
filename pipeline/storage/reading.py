"""What is there, and its bytes."""

from __future__ import annotations

import contextlib
import errno
import os
import stat as stat_module
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pyarrow as pa

from pipeline.errors import OutputDamaged
from pipeline.storage.oserrors import at, translated

_FIRST_BUFFER = 1 << 18  # bytes; a larger one costs half a millisecond of page faults


@dataclass(frozen=True)
class FileInfo:
    """Size in bytes and modification time in nanoseconds since the epoch."""

    size: int
    mtime_ns: int


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
        view = self._buffer[:length]
        done = 0
        try:
            while done < length:
                count = os.preadv(self._fd, [view[done:]], offset + done)
                if count == 0:
                    break
                done += count
        except OSError as error:
            raise translated(error, self.path) from error
        return view[:done]

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

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


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
