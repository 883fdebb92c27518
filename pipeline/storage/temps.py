"""Temporary files: how they are named, and whether their owners are gone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import socket
import stat as stat_module
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import OutputConflict
from pipeline.storage.oserrors import at
from pipeline.storage.reading import scan, sizes

_LONGEST_STEM = 160  # bytes of the target's name: with host, process and chance they fit 255
_TEMP = re.compile(r"\..+\.(?P<host>[^.]+)-(?P<pid>\d{1,7})-[0-9a-f]{8}\.tmp")


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
            if match := _TEMP.fullmatch(entry.name):
                with contextlib.suppress(FileNotFoundError):
                    found.append(_temp_file(folder / entry.name, match))
    return sorted(found, key=lambda temp: temp.path.name)


def temp_path(path: Path) -> Path:
    """Return a hidden name beside `path` that no other process will choose."""
    stem = os.fsdecode(os.fsencode(path.name)[:_LONGEST_STEM])
    return path.with_name(f".{stem}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}.tmp")


def remove_temp(temp: TempFile) -> None:
    """Remove a temporary file or link, or a folder with the files in it; absent is fine.

    A folder whose maker has turned out to be at work stays.

    Raises:
        OutputConflict: its name is not that of a temporary file, or a folder lies in it.
    """
    if not _TEMP.fullmatch(temp.path.name):
        raise OutputConflict(
            "this is no temporary file",
            file=str(temp.path),
            expected=f"a name like {temp_path(temp.path).name}",
        )
    with at(temp.path), contextlib.suppress(FileNotFoundError):
        if stat_module.S_ISDIR(os.lstat(temp.path).st_mode):
            _remove_folder(temp.path)
        else:
            os.unlink(temp.path)


def unlink_all(folder: int) -> None:
    """Unlink what lies in an open folder, one level deep."""
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _host() -> str:
    # Without dots: they part the host from the target's name.
    return re.sub(r"[^\w-]", "_", socket.gethostname()) or "localhost"


def _temp_file(path: Path, match: re.Match[str]) -> TempFile:
    info = os.lstat(path)
    pid = int(match["pid"])
    # A link cannot be locked: its owner is gone when there is no such process.
    gone = not _alive(pid) if stat_module.S_ISLNK(info.st_mode) else _unlocked(path)
    size = sum(sizes(path).values()) if stat_module.S_ISDIR(info.st_mode) else info.st_size
    return TempFile(path, size, match["host"], pid, match["host"] == _host() and gone)


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
        return _locked(fd)
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _remove_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        # Held until it is gone: one who has just made it would fill what is being emptied.
        if _locked(fd):
            unlink_all(fd)
            os.rmdir(path)
    finally:
        os.close(fd)
