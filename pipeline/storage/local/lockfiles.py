"""Lock files: for their owner and its group alone, and every wait for one is said and ends.

Whoever may open a file may lock it. So nobody else may open these, and no link is followed to one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import random
import stat as stat_module
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline import plaintext
from pipeline.errors import EnvironmentRefused, OutputConflict
from pipeline.plaintext import Lines
from pipeline.storage.local import flocks, holders
from pipeline.storage.local.oserrors import translate_oserrors
from pipeline.storage.waiting import WAITS

WAIT_S = 3600.0
"""How long a command waits for a lock before it ends, in seconds."""

_MODE = 0o660
_LOOK_AGAIN_S = 0.05
_MINUTE_S = 60
_MOST_NAMED = 3


@contextlib.contextmanager
def lock_file(path: Path) -> Iterator[int]:
    """Give a descriptor of a lock file, made where it is absent with mode 0660 and the umask.

    One of this user's that more may open is closed to them.

    Raises:
        OutputConflict: something else stands there: a link, a folder, a file with another name.
        ShardmillError: it cannot be made or opened.
    """
    with translate_oserrors(path):
        try:
            fd = flocks.created(path, os.O_NOFOLLOW | os.O_NONBLOCK, _MODE)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise no_lock_file(path, "a link") from error
    try:
        info = os.fstat(fd)
        if not stat_module.S_ISREG(info.st_mode):
            raise no_lock_file(path, "no regular file")
        if info.st_nlink > 1:
            raise no_lock_file(path, "a file that has other names, too")
        if info.st_uid == os.geteuid() and stat_module.S_IMODE(info.st_mode) & ~_MODE:
            with contextlib.suppress(OSError):  # a file system without modes
                os.fchmod(fd, info.st_mode & _MODE)
        yield fd
    finally:
        os.close(fd)


def acquire(fd: int, path: Path, operation: int = fcntl.LOCK_EX) -> None:
    """Take the lock on a lock file, after waiting for others; see `wait_until`.

    Where the file system has no locks, nothing is taken.
    """

    def taken() -> bool:
        try:
            fcntl.flock(fd, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    wait_until(taken, path, lambda: Lines.of(holders.holders(fd)))
    holders.note(fd)


def wait_until(taken: Callable[[], bool], path: Path, who: Callable[[], str]) -> None:
    """Try to take something until that succeeds; say at once for whom this waits.

    Args:
        taken: takes it if it is to be had, and returns whether it was.
        path: of the lock file.
        who: returns who holds it, a line each; "": that is not known.

    Raises:
        EnvironmentRefused: it was not to be had for `WAIT_S`.
    """
    began, told = time.monotonic(), False
    while not taken():
        found = who() or "somebody who is not known: of another host, or another user"
        if not told:
            told = True
            first = ", ".join(found.splitlines()[:_MOST_NAMED])
            what = plaintext.line(f"waiting for {path}, which is held by {first}")
            logging.getLogger(WAITS).warning("%s; this ends after %s", what, _spoken(WAIT_S))
        if time.monotonic() - began > WAIT_S:
            raise EnvironmentRefused(
                f"another process has held this lock for {_spoken(WAIT_S)}",
                file=str(path),
                found=found,
                remedy="wait until that process has ended, or end it if it is stuck or nobody knows"
                " it, then run the same command again: what is finished is kept",
            )
        time.sleep(_LOOK_AGAIN_S * (1 + random.random()))  # noqa: S311 - two must not keep step


def _spoken(seconds: float) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds:g} seconds"
    return f"{seconds / _MINUTE_S:.0f} minutes"


def no_lock_file(path: Path, found: str) -> OutputConflict:
    """Return the refusal of what stands in the place of a lock file."""
    return OutputConflict(
        "something else stands where a lock file should be",
        file=str(path),
        expected="a regular file of one name, or nothing yet",
        found=found,
        remedy="look who has put it there, remove it, then run the same command again",
    )
