"""Staged files: temporary files that appear under their final names when they are whole."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Final, Self

import xxhash

from pipeline.errors import OutputConflict
from pipeline.storage.local.deleting import discard, discard_link, remove
from pipeline.storage.local.flocks import locked_temp
from pipeline.storage.local.oserrors import translate_oserrors, translated
from pipeline.storage.local.ranges import RangeReader
from pipeline.storage.local.tempnames import WRITE_PROBE, temp_path

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Buffer = bytes | bytearray | memoryview

_STEP: Final = 1 << 20  # bytes that are read back at once


class StagedFile:
    """A file being written under a temporary name; `publish` gives it its final one.

    Each byte is hashed as it is appended, so that a manifest can name the file without reading it
    again. Leaving the context without `publish` removes it.

    Args:
        path: the final name.
        known_as: the path by which manifests name the file, where a link leads from it to `path`.
    """

    def __init__(self, path: Path, known_as: Path | None = None) -> None:
        self.path = path
        self.known_as = known_as or path
        self.size = 0
        self._hash = xxhash.xxh3_128()
        self._reader: RangeReader | None = None
        self._overwritten = False
        self._open = False
        with translate_oserrors(path):
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
        for buffer in buffers:
            self._hash.update(buffer)
        self.size += total
        return total

    def write_at(self, offset: int, *buffers: Buffer) -> None:
        """Write over bytes that were written before; what is appended next comes behind all.

        The file is then read back once, to be hashed.
        """
        total = sum(len(buffer) for buffer in buffers)
        if offset < 0 or offset + total > self.size:
            raise ValueError(f"bytes {offset} to {offset + total} of {self.size} written ones")
        self._overwritten = True
        with translate_oserrors(self.path):
            for buffer in buffers:
                view = memoryview(buffer)
                while view:
                    written = os.pwrite(self._fd, view, offset)
                    view, offset = view[written:], offset + written

    @contextlib.contextmanager
    def stream(self, buffer: int = 1 << 20) -> Iterator[BinaryIO]:
        """Give a binary stream that appends to the file, for libraries that want one.

        It cannot seek: a hash takes the bytes in their order.

        Args:
            buffer: bytes that are written at once.
        """
        with (
            translate_oserrors(self.path),
            io.BufferedWriter(_Appender(self._append, self._end), buffer) as stream,
        ):
            yield stream

    def follow(self, end: int) -> None:
        """Take in what others have written up to an offset, all of it, through a `SharedFile`.

        It is read back once, in the order of its bytes, and hashed; `size` becomes `end`.

        Args:
            end: offset in bytes, not before `size`.
        """
        for view in self._read_back(self.size, end):
            self._hash.update(view)
            self.size += len(view)
        with translate_oserrors(self.path):
            os.lseek(self._fd, self.size, os.SEEK_SET)  # what is appended next comes behind

    @property
    def content_hash(self) -> str:
        """The xxh3-128, in hex, of the first `size` bytes: of all of them, before `publish`."""
        if self._overwritten:
            self._hash.reset()
            for view in self._read_back(0, self.size):
                self._hash.update(view)
            self._overwritten = False
        return self._hash.hexdigest()

    def _read_back(self, start: int, end: int) -> Iterator[memoryview]:
        """Yield what was written from one offset to another, in pieces."""
        if self._reader is None:
            self._reader = RangeReader(self.temp)  # which keeps its buffer from call to call
        while start < end:
            view = self._reader.read(start, min(_STEP, end - start))
            if not view:
                raise EOFError(f"{self.temp} ends at {start}, before {end}")
            yield view
            start += len(view)

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
        with translate_oserrors(self.path):
            os.fsync(self._fd)

    def rename(self) -> None:
        """Give the file its final name, replacing any before it; it must be synced."""
        with translate_oserrors(self.path):
            os.replace(self.temp, self.path)
            self._close()

    def discard(self) -> None:
        """Remove the temporary file, if it was not published."""
        if self._open:
            with contextlib.suppress(OSError):  # what stays is recognised as stale later
                discard(self.temp, self._fd)
            with contextlib.suppress(OSError):
                self._close()

    def _append(self, view: memoryview) -> int:
        """Append bytes from the beginning of a view; return how many, as a raw stream does."""
        written = os.write(self._fd, view)
        self._hash.update(view[:written])
        self.size += written
        return written

    def _end(self) -> int:
        return self.size

    def _close(self) -> None:
        if self._open:
            self._open = False
            if self._reader is not None:
                self._reader.close()
            os.close(self._fd)


class _Appender(io.RawIOBase):
    """The raw stream below `StagedFile.stream`."""

    def __init__(self, append: Callable[[memoryview], int], end: Callable[[], int]) -> None:
        self._append = append
        self._end = end

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        return self._append(memoryview(data))

    def tell(self) -> int:
        return self._end()


def publish(*staged: StagedFile, superseding: bool = False) -> None:
    """Make the files durable and give them their final names, in the order given.

    The last one is the mark that the others are there: it is renamed after the names of the
    others are durable.

    Args:
        staged: the files, their mark last.
        superseding: whether a mark that stands there is removed before the others get their names,
            because it speaks of the files that they replace.
    """
    for file in staged:
        file.sync()
    *first, last = staged
    if superseding:
        remove(last.path.parent, last.path)
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
    with open_log(path) as log, translate_oserrors(path):
        log.write(line + b"\n")


def open_log(path: Path) -> BinaryIO:
    """Open a log for appending, unbuffered."""
    with translate_oserrors(path):
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
