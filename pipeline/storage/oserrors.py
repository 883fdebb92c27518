"""The operating system's errors in the program's words."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import (
    NoPermission,
    NoSpace,
    OutputConflict,
    ShardmillError,
    TransientError,
    Vanished,
)

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}
_NOWHERE = {errno.ENOENT, errno.ELOOP, errno.ENAMETOOLONG}
_IN_THE_WAY = {errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY}


def translated(error: OSError, path: Path) -> ShardmillError:
    """Return the project's error for an operating-system error met at `path`."""
    reason = error.strerror or str(error)
    if error.errno in _NO_SPACE:
        return NoSpace(
            f"no space left to write ({reason})",
            file=str(path),
            remedy="free some space on that file system, then run the same command again: "
            "what is finished is kept",
        )
    if error.errno in _NO_PERMISSION:
        return NoPermission(
            f"not permitted ({reason})",
            file=str(path),
            remedy="check owner and mode of that path, and that its file system is writable",
        )
    if error.errno in _IN_THE_WAY:
        return OutputConflict(
            f"something else stands in the way ({reason})",
            file=str(path),
            remedy="move it away, or choose another output folder",
        )
    kind = Vanished if error.errno in _NOWHERE else TransientError
    return kind(
        f"{reason} (errno {error.errno})",
        file=str(path),
        remedy="run the same command again; if it comes back, check the disk",
    )


@contextlib.contextmanager
def at(path: Path) -> Iterator[None]:
    """Turn what the operating system says about `path` into the project's errors."""
    try:
        yield
    except OSError as error:
        raise translated(error, path) from error
