"""Temporary files: which there are, whether their owners are gone, and their removal.

An owner is gone when its process is: a process that runs is never taken for gone, whatever the
locks say, because there are file systems whose locks exclude nobody. Where processes cannot be
compared, in another container of the same name, only a lock that does exclude tells.
"""

from __future__ import annotations

import contextlib
import os
import stat as stat_module
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import OutputConflict
from pipeline.storage import flocks, owner
from pipeline.storage.flocks import Lock
from pipeline.storage.oserrors import at
from pipeline.storage.owner import Owner
from pipeline.storage.reading import scan, sizes
from pipeline.storage.tempnames import owner_of, temp_path


@dataclass(frozen=True)
class TempFile:
    """A temporary file, link or folder beside its target.

    Attributes:
        path: where it is.
        size: bytes; of a folder, those of the files in it.
        host: name of the machine of the process that made it.
        pid: number of that process.
        owner_gone: whether that process is gone, provably.
    """

    path: Path
    size: int
    host: str
    pid: int
    owner_gone: bool


def temp_files(folder: Path) -> list[TempFile]:
    """Return the temporary files, links and folders in a folder (not below), sorted by name."""
    found = []
    with at(folder):
        for entry in scan(folder):
            if process := owner_of(entry.name):
                with contextlib.suppress(FileNotFoundError):
                    found.append(_temp_file(folder / entry.name, process))
    return sorted(found, key=lambda temp: temp.path.name)


def remove_temp(temp: TempFile) -> None:
    """Remove a temporary file or link, or a folder with the files in it; absent is fine.

    One whose owner lives, or has turned out to be at work, stays.

    Raises:
        OutputConflict: its name is not that of a temporary file, or a folder lies in it.
    """
    if owner_of(temp.path.name) is None:
        raise OutputConflict(
            "this is no temporary file",
            file=str(temp.path),
            expected=f"a name like {temp_path(temp.path).name}",
        )
    if not temp.owner_gone:
        return
    with at(temp.path), contextlib.suppress(FileNotFoundError):
        if stat_module.S_ISLNK(os.lstat(temp.path).st_mode):
            os.unlink(temp.path)
        else:
            _remove_unless_locked(temp.path)


def unlink_all(folder: int) -> None:
    """Unlink what lies in an open folder, one level deep."""
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _temp_file(path: Path, process: Owner) -> TempFile:
    info = os.lstat(path)
    gone = _gone(path, process, stat_module.S_ISLNK(info.st_mode))
    size = sum(sizes(path).values()) if stat_module.S_ISDIR(info.st_mode) else info.st_size
    return TempFile(path, size, process.host, process.pid, gone)


def _gone(path: Path, process: Owner, is_link: bool) -> bool:
    if process.host != owner.host():
        return False
    if process.is_comparable:
        # Its children may have inherited the lock.
        return not process.runs() and (is_link or _lock(path) is not Lock.HELD)
    return not is_link and _lock(path) is Lock.FREE and flocks.exclude(path.parent)


def _lock(path: Path) -> Lock:
    try:
        fd = flocks.open_to_lock(path)
    except FileNotFoundError:
        return Lock.FREE
    except OSError:
        return Lock.UNKNOWN
    try:
        return flocks.take(fd)
    finally:
        os.close(fd)


def _remove_unless_locked(path: Path) -> None:
    try:
        fd = flocks.open_to_lock(path)
    except PermissionError:  # the file of another user, in a folder of this one
        os.unlink(path)
        return
    try:
        # Held until it is gone: one who has just made it would write what is being removed.
        if flocks.take(fd) is Lock.HELD:
            return
        if stat_module.S_ISDIR(os.fstat(fd).st_mode):
            unlink_all(fd)
            os.rmdir(path)
        else:
            os.unlink(path)
    finally:
        os.close(fd)
