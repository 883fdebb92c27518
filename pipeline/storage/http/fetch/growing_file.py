"""The unbroken beginning of a file that is still arriving, read by another thread as it grows.

What arrived in this process is read from the page cache. What an earlier process left is compared
with its hash, part by part, before it is passed on: a part that is not what it was is lost, and
fetched again, while the reader waits for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Generic, TypeVar

import xxhash

from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.http.fetch.parts import Parts, Piece
from pipeline.storage.local.ranges import RangeReader

_STEP: Final = 1 << 20
_NOTHING: Final = memoryview(b"")

Result = TypeVar("Result")


class Stopped(Exception):
    """The reader is no longer wanted."""


class GrowingFile:
    """The beginning of a file that is arriving; `read` waits for what is not there yet.

    One thread reads, front to back; all else is called by another.

    Args:
        path: where the file is written.
        part: bytes of a part; at most so many are read at once.
        unchecked: the parts that an earlier process left, to be compared with their hashes.
    """

    def __init__(
        self, path: Path, part: int = 1 << 20, unchecked: Iterable[tuple[int, Piece]] = ()
    ) -> None:
        self.md5: str | None = None
        self._part = part
        self._unchecked = dict(unchecked)
        self._lost = list[int]()
        self._available = 0
        self._size: int | None = None
        self._is_stopped = False
        self._changed = threading.Condition()
        self._reader = RangeReader(path)

    def grow(self, available: int) -> None:
        """Say how many bytes from the beginning on are there without a gap."""
        with self._changed:
            self._available = available
            self._changed.notify_all()

    def follow(self, parts: Parts) -> list[int]:
        """Say what is there by the parts; return those that turned out to be lost, and are so now.

        The file is whole as soon as all parts are there, and none of them is lost.
        """
        with self._changed:
            lost, self._lost = self._lost, []
            for number in lost:
                parts.lose(number)
            self._available = parts.front
            self._size = parts.size if parts.complete else None
            self._changed.notify_all()
        return lost

    def end(self, size: int) -> None:
        """Say that the file is whole."""
        with self._changed:
            self._available = self._size = size
            self._changed.notify_all()

    def stop(self) -> None:
        """Have the reader end with `Stopped`."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Close the file, after the reader has ended."""
        self._reader.close()

    def read(self, offset: int, length: int) -> memoryview:
        """Return up to `length` bytes at `offset`, at least one unless the file ends there.

        Raises:
            Stopped: nobody wants them any more.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_ready(offset))
                if self._is_stopped:
                    raise Stopped
                if offset == self._size:
                    return _NOTHING
                number = offset // self._part
                piece = self._unchecked.get(number)
                end = min(offset + length, self._available, (number + 1) * self._part)
            if piece is None:
                return self._reader.read(offset, end - offset)
            self._check(number, piece)

    def will_need(self, offset: int, length: int) -> None:
        """Tell the kernel what will be read soon, if an earlier process left it."""
        if offset // self._part in self._unchecked:
            self._reader.will_need(offset, length)

    def ended(self, size: int, md5: str) -> FileInfo:
        """Take the MD5 of all that was read; return size and time of the file as it is now."""
        self.md5 = md5
        return FileInfo(size, self._reader.now().stamp)

    def _is_ready(self, offset: int) -> bool:
        return self._is_stopped or offset < self._available or offset == self._size

    def _check(self, number: int, piece: Piece) -> None:
        """Compare a part with its hash; where it differs, have it fetched again."""
        hasher, done = xxhash.xxh3_128(), 0
        start = number * self._part
        while view := self._reader.read(start + done, min(_STEP, piece.length - done)):
            hasher.update(view)
            done += len(view)
        with self._changed:
            del self._unchecked[number]
            if hasher.hexdigest() != piece.xxh3_128:
                self._lost.append(number)
                self._available = min(self._available, start)
                self._size = None


class Follower(Generic[Result]):
    """A thread that reads a `GrowingFile` to its end.

    Args:
        growing: what it reads.
        work: reads it; what it returns or raises is kept.
    """

    def __init__(self, growing: GrowingFile, work: Callable[[GrowingFile], Result]) -> None:
        self.result: Result | None = None
        self.error: Exception | None = None
        self._growing = growing
        self._work = work
        self._thread = threading.Thread(target=self._run, name="follow a download", daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        """Whether it has read all, or failed."""
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Wait until it is done, so many seconds at most."""
        self._thread.join(seconds)

    def stop(self) -> None:
        """End it, and close what it reads."""
        self._growing.stop()
        self._thread.join()
        self._growing.close()

    def _run(self) -> None:
        try:
            self.result = self._work(self._growing)
        except Stopped:
            pass
        except Exception as error:  # noqa: BLE001 - whoever waits for it raises it
            self.error = error
