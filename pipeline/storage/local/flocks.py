"""Locks on open files: held, asked for, and whether they exclude anybody at all.

Some mounts of network file systems grant every lock that is asked for, or none. A lock is taken
on a writable descriptor where there can be one: over NFS an exclusive one needs it.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.storage.local.deleting import discard
from pipeline.storage.local.tempnames import LOCK_PROBE, temp_path

_ATTEMPTS = 4
_PROBE_MODE = 0o600  # nobody else may lock what tells whether locks exclude
_LOOK_S, _LOOK_AGAIN_S = 2.0, 0.001  # one who looks whether an owner is gone takes no longer


class Lock(enum.Enum):
    """What is known of the lock on a file."""

    FREE = "nobody holds it"
    HELD = "somebody holds it"
    UNKNOWN = "the file system does not say"


def take_own(fd: int) -> None:
    """Take the lock on a file of this process, after waiting for who looks at it for a moment.

    One who holds it for longer is not waited for: a process that runs is never taken for gone.
    """
    deadline = time.monotonic() + _LOOK_S
    while take(fd) is Lock.HELD and time.monotonic() < deadline:
        time.sleep(_LOOK_AGAIN_S)


def take(fd: int) -> Lock:
    """Take the exclusive lock if nobody holds it: FREE says that it is held now."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return Lock.HELD
    except OSError:
        return Lock.UNKNOWN
    return Lock.FREE


def open_to_lock(path: Path | str, folder: int | None = None) -> int:
    """Open a file to ask for its lock: for writing, unless only reading is permitted.

    Args:
        path: of the file; a link is not followed.
        folder: an open folder that the path is relative to.

    Raises:
        OSError: it cannot be opened.
    """
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, os.O_RDWR | flags, dir_fd=folder)
    except OSError as error:
        if error.errno not in {errno.EACCES, errno.EPERM, errno.EROFS, errno.EISDIR}:
            raise
        return os.open(path, os.O_RDONLY | flags, dir_fd=folder)


def created(path: Path, flags: int = 0, mode: int = 0o666) -> int:
    """Open a file for reading and writing, made where it is absent, and its folder too.

    Whoever made the folder and was refused may remove it in that instant: then it is made again.

    Raises:
        OSError: it cannot be created.
    """
    flags |= os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    for attempt in range(_ATTEMPTS):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(path, flags, mode)
        except FileNotFoundError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError  # one attempt or more


def locked_temp(path: Path, create: Callable[[Path], int]) -> tuple[Path, int]:
    """Create something under a temporary name, and hold the lock on it.

    Args:
        path: what it is to become.
        create: creates it under the name that it is given and returns an open descriptor.

    Returns:
        The temporary path, and the descriptor.

    Raises:
        OSError: it cannot be created.
    """
    while True:
        temp = temp_path(path)
        fd = create(temp)
        # It waits: one who asks whether the owner is gone holds the lock for a moment.
        take_own(fd)
        if os.path.lexists(temp):
            return temp, fd
        os.close(fd)  # it was removed as left behind, in the instant before it was locked


def exclude(folder: Path, *, make: bool = False) -> bool:
    """Whether a lock in a folder keeps anybody out: two are asked for on a file made for that.

    Between hosts they may still exclude nobody, which one host cannot find out. With `make` the
    folder is made, where it is absent; else nothing excludes there.
    """
    path, fds = temp_path(folder / LOCK_PROBE), list[int]()
    try:
        if make:
            fds.append(created(path, os.O_EXCL, _PROBE_MODE))
        else:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            fds.append(os.open(path, flags, _PROBE_MODE))
        fds.append(os.open(path, os.O_RDWR | os.O_CLOEXEC))
        return [take(fd) for fd in fds] == [Lock.FREE, Lock.HELD]
    except OSError:  # nobody may write here
        return False
    finally:
        for place, fd in enumerate(fds):
            if place == 0:
                with contextlib.suppress(OSError):
                    discard(path, fd)
            os.close(fd)
