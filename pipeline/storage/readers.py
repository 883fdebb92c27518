"""What reads byte ranges, wherever they lie: one file or object, or many below a folder."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.location import Location


class Reader(Protocol):
    """What holds something open until it is closed."""

    def close(self) -> None:
        """Give up what is held open."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


class Ranges(Reader, Protocol):
    """Reads byte ranges of one file or object.

    The view that `read` returns is valid until the next `read`.
    """

    @property
    def path(self) -> Location:
        """Where it lies."""

    @property
    def info(self) -> FileInfo:
        """Size and stamp when it was opened."""

    def now(self) -> FileInfo:
        """Return size and stamp as they are now."""

    def will_need(self, offset: int, length: int) -> None:
        """Say that a range will be read soon."""

    def read(self, offset: int, length: int) -> memoryview:
        """Return up to `length` bytes at `offset`; fewer only where the file ends."""


class Sources(Reader, Protocol):
    """Reads byte ranges of many files or objects below a folder, by their names in it.

    The view that `read` and `read_whole` return is valid until the next of these calls, or longer,
    see `keep_views`.
    """

    @property
    def root(self) -> Location:
        """The folder."""

    def path(self, source: str) -> Location:
        """Return where a source lies."""

    def look(self, source: str) -> FileInfo | None:
        """Return size and stamp of a source; None: it is no regular file."""

    def now(self, source: str) -> FileInfo:
        """Return size and stamp of a source as they are now."""

    def stamp(self, source: str) -> int:
        """Return the stamp to record with what is read next of a source that is a whole file."""

    def will_need(self, source: str, offset: int, length: int) -> None:
        """Say that a range will be read soon."""

    def not_cached(self, source: str, offset: int, length: int) -> None:
        """Have a range read from where it is stored when it is asked for again."""

    def keep_views(self, before_reuse: Callable[[], None]) -> bool:
        """Have each view be valid until `before_reuse` is called, which says of all that they end.

        Returns:
            Whether it is so from now on; where not, nothing is called.
        """

    def read(self, source: str, offset: int, length: int) -> memoryview:
        """Return up to `length` bytes at `offset`; fewer only where the source ends."""

    def read_whole(self, source: str, length: int) -> tuple[memoryview, int]:
        """Return the bytes of a source that was `length` bytes long, and how long it is by now."""
