"""One pass over an archive, front to back: its MD5, and whoever else wants to see its bytes.

Each buffer goes to the MD5 and then to the scanner while it is in the cache of the processor;
the kernel is told what comes next, so that the disk works meanwhile. A second thread for the MD5
was measured to be no faster: bytes then move from one core's cache to another's.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, Self

from pipeline import storage
from pipeline.archives.tar import BLOCK
from pipeline.errors import ArchiveMissing, TransientError
from pipeline.storage import Location

_STEP: Final = 1 << 20
_AHEAD: Final = 8 << 20
_PROGRESS_STEP: Final = 16 << 20
Progress = Callable[[int], None]


class Passage(Protocol):
    """What an archive is read from, once, front to back."""

    def read(self, offset: int, length: int) -> memoryview:
        """Return up to `length` bytes at `offset`, valid until the next call; none at the end."""

    def will_need(self, offset: int, length: int) -> None:
        """Announce a range in bytes that is read soon, so that it can be fetched ahead."""

    def ended(self, size: int, md5: str) -> storage.FileInfo:
        """Return what is known of the archive, now that all of it was read.

        Raises:
            TransientError: it has changed meanwhile.
        """


@dataclass(frozen=True)
class Read:
    """What reading an archive once, front to back, has shown of it.

    Attributes:
        info: size and stamp, the same before and after the read.
        md5: 32 lower-case hex digits.
        head: the first block, or all of a shorter file.
    """

    info: storage.FileInfo
    md5: str
    head: bytes


def read_once(
    archive: Location,
    passage: Passage | None,
    look: Callable[[memoryview], None],
    progress: Progress,
) -> Read:
    """Hash an archive and show it to `look`, once.

    Args:
        archive: its path.
        passage: what it is read from; None: the file.
        look: given all of its bytes, in pieces.
        progress: told the bytes read so far, every 16 MiB and at the end.

    Raises:
        ArchiveMissing: there is no such file.
        TransientError: the file changed while it was read.
    """
    with contextlib.ExitStack() as stack:
        source = passage or stack.enter_context(FileAtRest(archive))
        md5 = hashlib.md5(usedforsecurity=False)
        size, head = 0, b""
        source.will_need(0, _AHEAD)
        while view := source.read(size, _STEP):
            source.will_need(size + _AHEAD, _STEP)
            md5.update(view)
            look(view)
            head = head or bytes(view[:BLOCK])
            size += len(view)
            if size % _PROGRESS_STEP < len(view):
                progress(size)
        progress(size)
        info = source.ended(size, md5.hexdigest())
    return Read(info, md5.hexdigest(), head)


class FileAtRest:
    """A file that is not to change while it is read.

    Args:
        archive: the file.

    Raises:
        ArchiveMissing: there is none.
    """

    def __init__(self, archive: Location) -> None:
        self._archive = archive
        self._before = info_of(archive)
        self.reader = storage.open_ranges(archive)
        self.read = self.reader.read
        self.will_need = self.reader.will_need

    def ended(self, size: int, md5: str) -> storage.FileInfo:
        """Return what is known of it; see `Passage`.

        Raises:
            TransientError: it is not what it was.
        """
        del md5
        now, before = storage.stat(self._archive), self._before
        if now != before or size != before.size:
            raise TransientError(
                "the archive changed while it was read",
                file=str(self._archive),
                expected=f"{before.size} bytes from start to end, unchanged",
                found=f"{size} bytes read, then {f'{now.size} bytes' if now else 'no file'}",
                remedy="wait until its download has ended, then run the same command again",
            )
        return before

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.reader.close()


def info_of(archive: Location) -> storage.FileInfo:
    """Return size and stamp of an archive.

    Raises:
        ArchiveMissing: there is none.
    """
    info = storage.stat(archive)
    if info is None:
        raise ArchiveMissing(
            "the archive is not there",
            file=str(archive),
            expected="a folder with tars, *.tar, which it is made of"
            if storage.is_tar_folder(archive)
            else "a regular file",
            remedy="put it there, or correct the folder of the raw archives",
        )
    return info
