"""Files on their way to their final names, and the few other ways to change a folder."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from pipeline.errors import OutputConflict
from pipeline.storage.deleting import discard, discard_link
from pipeline.storage.flocks import locked_temp
from pipeline.storage.oserrors import at, translated
from pipeline.storage.tempnames import WRITE_PROBE, temp_path

Buffer = bytes | bytearray | memoryview


class StagedFile:
    """A file being written under a temporary name; `publish` gives it its final one.

    Leaving the context without `publish` removes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._open = False
        with at(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.temp, self._fd = locked_temp(path, _created)
        self._open = True

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
                discard(self.temp, self._fd)
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
            discard_link(temp)
        raise translated(error, link) from error


def probe_writable(folder: Path) -> None:
    """Create the folder and write a byte in it, or raise why that cannot be done."""
    with StagedFile(folder / WRITE_PROBE) as staged:
        staged.write(b"x")
        staged.sync()


def _created(temp: Path) -> int:
    return os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)


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
