"""The hidden file that a download is written into; it outlives a cut, and can be taken over.

It is named as every temporary file, after the process that writes it. When that process is gone,
the next one takes the file over by giving it a name of its own: of two that try, the file system
lets one succeed. Only the process whose name a file bears writes to it. The sidecar keeps its name,
which has the file's random token in it.
"""

from __future__ import annotations

import contextlib
import os
import stat as stat_module
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import AlreadyAtWork, OutputConflict, OutputDamaged
from pipeline.storage.http.fetch.sidecar import MOST_BYTES, Sidecar
from pipeline.storage.local import flocks, writeback
from pipeline.storage.local.deleting import discard, remove
from pipeline.storage.local.listing import read_bytes, stat
from pipeline.storage.local.oserrors import translate_oserrors
from pipeline.storage.local.staging import Buffer, sync_folder
from pipeline.storage.local.tempnames import temp_path, temp_prefix, token_of
from pipeline.storage.local.temps import TempFile, temp_files
from pipeline.storage.publishing import publish_bytes, write_unsynced


class Partial:
    """A download that is not whole yet, open for reading and writing.

    Args:
        target: its final name.
        temp: where it is now.
        fd: an open descriptor of it, whose lock is held.
    """

    def __init__(self, target: Path, temp: Path, fd: int) -> None:
        self.target = target
        self.temp = temp
        self._fd = fd
        self._arrived = 0
        self._beat = 0
        self._open = True

    @classmethod
    def create(cls, target: Path) -> Partial:
        """Make an empty one."""
        with translate_oserrors(target):
            temp, fd = flocks.locked_temp(target, _created)
        return cls(target, temp, fd)

    @classmethod
    def take_over(cls, target: Path, left: TempFile) -> Partial | None:
        """Take over what a process has left that is gone; None: another was faster."""
        mine = temp_path(target, token_of(left.path.name))
        with translate_oserrors(target):
            try:
                os.rename(left.path, mine)
            except FileNotFoundError:
                return None
            fd = os.open(mine, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        flocks.take_own(fd)
        return cls(target, mine, fd)

    @property
    def is_open(self) -> bool:
        """Whether it is neither published, removed nor closed."""
        return self._open

    @property
    def allocated(self) -> int:
        """How many bytes of the disk it takes now."""
        with translate_oserrors(self.target):
            return os.fstat(self._fd).st_blocks * 512

    def write_at(self, offset: int, data: Buffer) -> None:
        """Write all of `data` from a place, in bytes.

        Raises:
            NoSpace: it does not fit.
            AlreadyAtWork: see `check_own`.
        """
        self.check_own()
        view = memoryview(data)
        with translate_oserrors(self.target):
            while view:
                written = os.pwrite(self._fd, view, offset)
                view, offset = view[written:], offset + written
        before, self._arrived = self._arrived, self._arrived + memoryview(data).nbytes
        writeback.follow(self._fd, before, self._arrived)

    def read(self, offset: int, length: int) -> bytes:
        """Return up to `length` bytes at `offset`; fewer only where the file ends."""
        with translate_oserrors(self.target):
            return os.pread(self._fd, length, offset)

    def pieces(self, offset: int, length: int, step: int = 1 << 20) -> Iterator[bytes]:
        """Yield the bytes from a place on, a MiB at a time, as far as there are any."""
        end = offset + length
        while offset < end and (data := self.read(offset, min(step, end - offset))):
            yield data
            offset += len(data)

    def save(self, state: Sidecar, *, durable: bool = False) -> None:
        """Write the sidecar, so that the next process knows what is there.

        Raises:
            AlreadyAtWork: another process has taken the file over, as it took this one for gone.
        """
        self.check_own()
        self._beat += 1
        write = publish_bytes if durable else write_unsynced
        write(sidecar_path(self.target, self.temp), state.serialised(self._beat))

    def check_own(self) -> None:
        """Check that nobody has taken the file over.

        Raises:
            AlreadyAtWork: somebody has.
        """
        if not self.is_own:
            raise AlreadyAtWork(
                "another process has gone on with this download, or its hidden file was removed",
                file=str(self.target),
                remedy="wait until that process has ended, then run the same command again",
            )

    @property
    def is_own(self) -> bool:
        """Whether the file still has the name that this process gave it."""
        with translate_oserrors(self.target), contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.lstat(self.temp), os.fstat(self._fd))
        return False

    def publish(self, size: int) -> None:
        """Give the file its final name, after it was found to be right.

        Raises:
            AlreadyAtWork: see `check_own`.
            OutputConflict: something else has got that name meanwhile.
        """
        self.check_own()
        with translate_oserrors(self.target):
            os.ftruncate(self._fd, size)
            os.fsync(self._fd)
            if os.path.lexists(self.target):
                raise OutputConflict(
                    "a file of this name has appeared while it was fetched",
                    file=str(self.target),
                    remedy="move it away if it is not wanted, then run the same command again: all"
                    " that was fetched is kept",
                )
            os.replace(self.temp, self.target)
            sync_folder(self.target.parent)
        remove(self.target.parent, sidecar_path(self.target, self.temp))
        self.close()

    def discard(self) -> None:
        """Remove the file and its sidecar, of which nothing is of use, unless it is another's."""
        if self._open and self.is_own:
            with translate_oserrors(self.target):
                discard(self.temp, self._fd)
            remove(self.target.parent, sidecar_path(self.target, self.temp))
        self.close()

    def close(self) -> None:
        """Close the file; it stays, for the next process."""
        if self._open:
            self._open = False
            os.close(self._fd)


def sidecar_path(target: Path, temp: Path) -> Path:
    """Return where the sidecar of a hidden file lies."""
    return target.with_name(f"{temp_prefix(target)}{token_of(temp.name)}.parts")


def read_sidecar(target: Path, temp: Path) -> Sidecar | None:
    """Return what the sidecar of a hidden file says; None: there is none that can be relied on."""
    path = sidecar_path(target, temp)
    if stat(path) is None:
        return None
    try:
        return Sidecar.parsed(read_bytes(path, MOST_BYTES), path)
    except OutputDamaged:
        return None


def left_behind(target: Path) -> list[TempFile]:
    """Return the hidden files of a download, of whatever process, that may be taken over.

    Only a regular file of this user's with one name: whatever else has such a name, somebody has
    put there.
    """
    return [
        temp
        for temp in temp_files(target.parent)
        if temp.becomes(target) and not temp.is_folder and _is_plain(temp.path)
    ]


def _is_plain(path: Path) -> bool:
    try:
        info = os.lstat(path)
    except FileNotFoundError:
        return False
    mine = info.st_uid == os.geteuid() and info.st_nlink == 1
    return mine and stat_module.S_ISREG(info.st_mode)


def _created(temp: Path) -> int:
    return os.open(temp, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
