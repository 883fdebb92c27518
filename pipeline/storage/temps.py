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

from pipeline.storage.oserrors import at
from pipeline.storage.reading import scan

_TEMP = re.compile(r"\..+\.(?P<host>[^.]+)-(?P<pid>\d{1,7})-[0-9a-f]{8}\.tmp")


@dataclass(frozen=True)
class TempFile:
    """A temporary file left beside its target: who made it, and whether its owner is gone."""

    path: Path
    size: int
    host: str
    pid: int
    owner_gone: bool


def temp_files(folder: Path) -> list[TempFile]:
    """Return the temporary files and links in a folder (not below it), sorted by name."""
    found = []
    with at(folder):
        for entry in scan(folder):
            if match := _TEMP.fullmatch(entry.name):
                with contextlib.suppress(FileNotFoundError):
                    found.append(_temp_file(folder / entry.name, match))
    return sorted(found, key=lambda temp: temp.path.name)


def temp_path(path: Path) -> Path:
    """Return a hidden name beside `path` that no other process will choose."""
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
