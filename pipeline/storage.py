"""The only door to files: stat, list, read, publish atomically, remove.

A file appears under its final name whole or not at all: it is written beside its target
under a hidden temporary name, synced, and renamed. The writer holds an exclusive lock on the
temporary file while it lives, so that whoever finds one can tell an owner at work from one
that is gone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import socket
import stat as stat_module
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import pyarrow as pa

from pipeline.errors import (
    NoPermission,
    NoSpace,
    OutputConflict,
    OutputDamaged,
    ShardmillError,
    TransientError,
    Vanished,
)

Buffer = bytes | bytearray | memoryview

_TEMP = re.compile(r"\..+\.(?P<host>[^.]+)-(?P<pid>\d{1,7})-[0-9a-f]{8}\.tmp")
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}
_IN_THE_WAY = {errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY}


@dataclass(frozen=True)
class FileInfo:
    """Size in bytes and modification time in nanoseconds since the epoch."""

    size: int
    mtime_ns: int


@dataclass(frozen=True)
class TempFile:
    """A temporary file left beside its target: who made it, and whether its owner is gone."""

    path: Path
    size: int
    host: str
    pid: int
    owner_gone: bool


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
    with _at(folder):
        for entry in _scan(folder):
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    found[entry.name] = entry.stat(follow_symlinks=False).st_size
    return found


def folders(folder: Path) -> list[str]:
    """Return the names of the real (not linked) folders in a folder, sorted; [] if it is absent."""
    with _at(folder):
        return sorted(entry.name for entry in _scan(folder) if entry.is_dir(follow_symlinks=False))


def read_bytes(path: Path) -> bytes:
    """Return a whole (small) file."""
    with _at(path):
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
        with _at(path):
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            info = os.fstat(self._fd)
        self.info = FileInfo(info.st_size, info.st_mtime_ns)
        self._buffer = memoryview(bytearray(1 << 20))

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


class StagedFile:
    """A file being written under a temporary name; `publish` gives it its final one.

    Leaving the context without `publish` removes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.temp = _temp_path(path)
        self._open = False
        with _at(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._fd = os.open(self.temp, flags, 0o666)
        self._open = True
        with contextlib.suppress(OSError):  # a file system without locks: its temps are kept
            # It waits: one who asks whether the owner is gone holds the lock for a moment.
            fcntl.flock(self._fd, fcntl.LOCK_EX)

    def write(self, *buffers: Buffer) -> int:
        """Append the buffers; return how many bytes that were."""
        total = sum(len(buffer) for buffer in buffers)
        try:
            written = os.writev(self._fd, buffers)
            if written != total:
                _write_rest(self._fd, buffers, written)
        except OSError as error:
            raise translated(error, self.path) from error
        self.size += total
        return total

    @contextlib.contextmanager
    def stream(self) -> Iterator[BinaryIO]:
        """Give a buffered binary stream onto the file, for libraries that want one."""
        with _at(self.path):
            with os.fdopen(os.dup(self._fd), "wb", buffering=1 << 20) as stream:
                yield stream
            self.size = os.fstat(self._fd).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.discard()

    def sync(self) -> None:
        """Make the bytes written so far durable."""
        with _at(self.path):
            os.fsync(self._fd)

    def rename(self) -> None:
        """Give the file its final name, replacing any before it; it must be synced."""
        with _at(self.path):
            os.replace(self.temp, self.path)
            self._close()

    def discard(self) -> None:
        """Remove the temporary file, if it was not published."""
        if self._open:
            with contextlib.suppress(OSError):  # what stays is recognised as stale later
                os.unlink(self.temp)
            with contextlib.suppress(OSError):
                self._close()

    def _close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._fd)


def publish(*staged: StagedFile) -> None:
    """Make the files durable and give them their final names, in the order given.

    The last one is the mark that the others are there: it is renamed after the names of the
    others are durable.
    """
    for file in staged:
        file.sync()
    *first, last = staged
    for file in first:
        file.rename()
    for folder in sorted({file.path.parent for file in first}):
        _sync_folder(folder)
    last.rename()
    _sync_folder(last.path.parent)


def publish_bytes(path: Path, content: bytes) -> None:
    """Publish one small file."""
    with StagedFile(path) as staged:
        staged.write(content)
        publish(staged)


def append_line(path: Path, line: bytes) -> None:
    """Append one line in a single write: lines of several processes do not mix."""
    with open_log(path) as log, _at(path):
        log.write(line + b"\n")


def touch(path: Path) -> None:
    """Set a file's modification time to now, if it is there."""
    with _at(path), contextlib.suppress(FileNotFoundError):
        os.utime(path)


def open_log(path: Path) -> BinaryIO:
    """Open a log for appending, unbuffered."""
    with _at(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab", buffering=0)


def write_unsynced(path: Path, content: bytes) -> None:
    """Replace a small file that may be lost in a crash: counters, never results."""
    with StagedFile(path) as staged:
        staged.write(content)
        staged.rename()


def point(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target` (a name in the same folder), atomically."""
    temp = _temp_path(link)
    try:
        if os.path.lexists(link) and not link.is_symlink():
            raise OutputConflict(
                "a file or folder stands where a link should be made",
                file=str(link),
                remedy="move it away, then run the same command again",
            )
        link.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, temp)
        os.replace(temp, link)
        _sync_folder(link.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temp)
        raise translated(error, link) from error


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


def remove(path: Path) -> None:
    """Remove a file or an empty folder; absent is fine."""
    with _at(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if path.is_dir() and not path.is_symlink():
            os.rmdir(path)
        else:
            os.unlink(path)


def free_bytes(folder: Path) -> int:
    """Return the bytes that may still be written to the file system that holds `folder`."""
    with _at(folder):
        info = os.statvfs(_existing(folder))
    return info.f_bavail * info.f_frsize


def probe_writable(folder: Path) -> None:
    """Create the folder and write a byte in it, or raise why that cannot be done."""
    with StagedFile(folder / "probe") as staged:
        staged.write(b"x")
        staged.sync()


def temp_files(folder: Path) -> list[TempFile]:
    """Return the temporary files and links in a folder (not below it), sorted by name."""
    found = []
    with _at(folder):
        for entry in _scan(folder):
            if match := _TEMP.fullmatch(entry.name):
                with contextlib.suppress(FileNotFoundError):
                    found.append(_temp_file(folder / entry.name, match))
    return sorted(found, key=lambda temp: temp.path.name)


@contextlib.contextmanager
def locked(path: Path, *, exclusive: bool) -> Iterator[bool]:
    """Hold an advisory lock on `path`; yields whether it was to be had at once."""
    with _at(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            held = True
        except OSError:
            held = False
        yield held
    finally:
        os.close(fd)


def translated(error: OSError, path: Path) -> ShardmillError:
    """Return the project's error for an operating-system error met at `path`."""
    reason = error.strerror or str(error)
    if error.errno in _NO_SPACE:
        return NoSpace(
            f"no space left to write ({reason})",
            file=str(path),
            remedy="free some space on that file system, then run the same command again: "
            "what is finished is kept",
        )
    if error.errno in _NO_PERMISSION:
        return NoPermission(
            f"not permitted ({reason})",
            file=str(path),
            remedy="check owner and mode of that path, and that its file system is writable",
        )
    if error.errno in _IN_THE_WAY:
        return OutputConflict(
            f"something else stands in the way ({reason})",
            file=str(path),
            remedy="move it away, or choose another output folder",
        )
    kind = Vanished if error.errno == errno.ENOENT else TransientError
    return kind(
        f"{reason} (errno {error.errno})",
        file=str(path),
        remedy="run the same command again; if it comes back, check the disk",
    )


@contextlib.contextmanager
def _at(path: Path) -> Iterator[None]:
    """Turn what the operating system says about `path` into the project's errors."""
    try:
        yield
    except OSError as error:
        raise translated(error, path) from error


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder; [] if it is absent."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _temp_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _host() -> str:
    # Without dots: they part the host from the target's name.
    return re.sub(r"[^\w-]", "_", socket.gethostname()) or "localhost"


def _temp_file(path: Path, match: re.Match[str]) -> TempFile:
    info = os.lstat(path)
    pid = int(match["pid"])
    # A link cannot be locked: its owner is gone when there is no such process.
    gone = not _alive(pid) if stat_module.S_ISLNK(info.st_mode) else _unlocked(path)
    return TempFile(path, info.st_size, match["host"], pid, match["host"] == _host() and gone)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _unlocked(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(fd)


def _write_rest(fd: int, buffers: Sequence[Buffer], written: int) -> None:
    for buffer in buffers:
        view = memoryview(buffer)
        if written >= len(view):
            written -= len(view)
            continue
        view, written = view[written:], 0
        while view:
            view = view[os.write(fd, view) :]


def _sync_folder(folder: Path) -> None:
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot sync folders
            raise translated(error, folder) from error


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
