"""Files on their way to their final names, and the few other ways to change a folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from pipeline.errors import OutputConflict
from pipeline.storage.oserrors import at, translated
from pipeline.storage.temps import temp_path

Buffer = bytes | bytearray | memoryview


class StagedFile:
    """A file being written under a temporary name; `publish` gives it its final one.

    Leaving the context without `publish` removes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.temp = temp_path(path)
        self._open = False
        with at(path):
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
    def stream(self, buffer: int = 1 << 20) -> Iterator[BinaryIO]:
        """Give a binary stream onto the file, for libraries that want one; `buffer` in bytes."""
        with at(self.path):
            with os.fdopen(os.dup(self._fd), "wb", buffering=buffer) as stream:
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
        with at(self.path):
            os.fsync(self._fd)

    def rename(self) -> None:
        """Give the file its final name, replacing any before it; it must be synced."""
        with at(self.path):
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
        sync_folder(folder)
    last.rename()
    sync_folder(last.path.parent)


def publish_bytes(path: Path, content: bytes) -> None:
    """Publish one small file."""
    with StagedFile(path) as staged:
        staged.write(content)
        publish(staged)


def append_line(path: Path, line: bytes) -> None:
    """Append one line in a single write: lines of several processes do not mix."""
    with open_log(path) as log, at(path):
        log.write(line + b"\n")


def open_log(path: Path) -> BinaryIO:
    """Open a log for appending, unbuffered."""
    with at(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab", buffering=0)


def write_unsynced(path: Path, content: bytes) -> None:
    """Replace a small file that may be lost in a crash: counters, never results."""
    with StagedFile(path) as staged:
        staged.write(content)
        staged.rename()


def point(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target` (a name in the same folder), atomically."""
    temp = temp_path(link)
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
        sync_folder(link.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(temp)
        raise translated(error, link) from error


def remove(path: Path) -> None:
    """Remove a file or an empty folder; absent is fine."""
    with at(path), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if path.is_dir() and not path.is_symlink():
            os.rmdir(path)
        else:
            os.unlink(path)


def probe_writable(folder: Path) -> None:
    """Create the folder and write a byte in it, or raise why that cannot be done."""
    with StagedFile(folder / "probe") as staged:
        staged.write(b"x")
        staged.sync()


@contextlib.contextmanager
def shared_lock(path: Path) -> Iterator[None]:
    """Hold a lock on `path` that others may share, after waiting for who wants it alone."""
    with _lock_file(path) as fd:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(fd, fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def wait_for_lock(path: Path) -> Iterator[None]:
    """Hold a lock on `path` alone, after waiting for all who hold it."""
    with _lock_file(path) as fd:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def sole_lock(path: Path, *, then_share: bool = False) -> Iterator[bool]:
    """Hold a lock on `path` alone; yields whether it was to be had at once.

    With `then_share` it is shared as soon as it is held: only who else wants it alone is kept
    out.
    """
    with _lock_file(path) as fd:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = True
        except OSError:
            held = False
        if held and then_share:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield held


def is_locked(path: Path) -> bool:
    """Whether somebody holds a lock on `path`; nothing is written to ask."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise translated(error, path) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(fd)
    return False


@contextlib.contextmanager
def _lock_file(path: Path) -> Iterator[int]:
    with at(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        yield fd
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


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the file system can."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot sync folders
            raise translated(error, folder) from error
