"""Tries again where the operating system fails in a way that may pass.

A file server that was restarted answers ESTALE once, a machine short of memory ENOMEM for a while,
a process with too many open files EMFILE until it closes some. None of these says anything about
the file that was asked for.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import Final, TypeVar

_Result = TypeVar("_Result")

WAITS: Final = (0.01, 0.1, 0.5)
"""Seconds before the second, the third and the last attempt."""

# What another attempt a moment later would meet again.
_LASTING: Final = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EACCES,
        errno.EPERM,
        errno.EISDIR,
        errno.EINVAL,
        errno.EROFS,
        errno.ENXIO,
        errno.EOVERFLOW,
        errno.EFBIG,
        errno.ENOSPC,
        errno.EDQUOT,
    }
)


def try_again(
    attempt: Callable[[], _Result],
    error: OSError,
    recover: Callable[[OSError], object] = lambda _error: None,
) -> _Result:
    """Repeat what has failed once, a few times, unless the error is one that lasts.

    Args:
        attempt: does it.
        error: why it has failed.
        recover: called before each attempt with the error of the one before.

    Raises:
        OSError: the error of the last attempt.
    """
    for seconds in WAITS:
        if error.errno in _LASTING:
            break
        recover(error)
        time.sleep(seconds)
        try:
            return attempt()
        except OSError as another:
            error = another
    raise error


def patiently(attempt: Callable[[], _Result]) -> _Result:
    """Do something, and `try_again` if it fails.

    Raises:
        OSError: see `try_again`.
    """
    try:
        return attempt()
    except OSError as error:
        return try_again(attempt, error)
