"""The operating system's errors in the program's words."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import (
    EnvironmentRefused,
    NoPermission,
    NoSpace,
    OutputConflict,
    ShardmillError,
    TransientError,
    Vanished,
)

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NO_PERMISSION = {errno.EACCES, errno.EPERM, errno.EROFS}
_NOWHERE = {errno.ENOENT, errno.ELOOP, errno.ENAMETOOLONG}
_IN_THE_WAY = {errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY}
_TOO_MANY_FILES = {errno.EMFILE, errno.ENFILE}


def translated(error: OSError, path: Path | None) -> ShardmillError:
    """Return the project's error for an operating-system error met at `path`, if it is known."""
    reason, file = error.strerror or str(error), str(path) if path else None
    if error.errno in _NO_SPACE:
        return NoSpace(
            f"no space left to write ({reason})",
            file=file,
            remedy="free some space on that file system, then run the same command again: "
            "what is finished is kept",
        )
    if error.errno in _NO_PERMISSION:
        return NoPermission(
            f"not permitted ({reason})",
            file=file,
            remedy="check owner and mode of that path, and that its file system is writable",
        )
    if error.errno == errno.EFBIG:
        return EnvironmentRefused(
            f"a file would become larger than is permitted ({reason})",
            file=file,
            remedy="raise the limit (ulimit -f), or choose another file system: FAT takes 4 GB. "
            "More shards make smaller files",
        )
    if error.errno in _IN_THE_WAY:
        if link := _dangling(path):
            return OutputConflict(
                "a link leads nowhere",
                file=str(link),
                found=f"a link to {os.readlink(link)}, which is not there",
                remedy="make what it should lead to, or remove the link",
            )
        return OutputConflict(
            f"something else stands in the way ({reason})",
            file=file,
            remedy="move it away, or choose another output folder",
        )
    kind = Vanished if error.errno in _NOWHERE else TransientError
    return kind(
        f"{reason} (errno {error.errno})",
        file=file,
        remedy=f"run the same command again; if it comes back, {_cause(error)}",
    )


def _cause(error: OSError) -> str:
    if error.errno in _TOO_MANY_FILES:
        return "let a process open more files (ulimit -n 1024), or use fewer --workers"
    if error.errno == errno.ENOMEM:
        return "free some memory, or use fewer --workers"
    return "check the disk"


def _dangling(path: Path | None) -> Path | None:
    """Return the first link to nothing on the way to a path, or None."""
    for place in (*reversed(path.parents), path) if path else ():
        if place.is_symlink() and not os.path.exists(place):
            return place
    return None


@contextlib.contextmanager
def at(path: Path) -> Iterator[None]:
    """Turn what the operating system says about `path` into the project's errors."""
    try:
        yield
    except OSError as error:
        raise translated(error, path) from error
