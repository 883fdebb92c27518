"""Translates the operating system's errors into the errors of this program."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from pipeline.errors import (
    EnvironmentRefused,
    LinkLoop,
    NameTooLong,
    NoPermission,
    NoSpace,
    OutputConflict,
    ShardmillError,
    TransientError,
    Vanished,
)
from pipeline.storage.location import Location

_AGAIN = "run the same command again; if it comes back, "


class _Case(NamedTuple):
    """What is said of some of the operating system's errors, with its own words; "": only those."""

    kind: type[ShardmillError]
    what: str
    remedy: str


_CASES: Final = (
    (
        (errno.ENOSPC, errno.EDQUOT),
        _Case(
            NoSpace,
            "no space left to write",
            "free some space on that file system, then run the same command again: what is"
            " finished is kept",
        ),
    ),
    (
        (errno.EACCES, errno.EPERM, errno.EROFS),
        _Case(
            NoPermission,
            "not permitted",
            "check owner and mode of that path and, if it is to be written, that its file system is"
            " writable",
        ),
    ),
    (
        (errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY),
        _Case(
            OutputConflict,
            "something else stands in the way",
            "move it away, or choose another output folder",
        ),
    ),
    (
        (errno.EFBIG,),
        _Case(
            EnvironmentRefused,
            "a file would become larger than is permitted",
            "raise the limit (ulimit -f), or choose another file system: FAT takes 4 GB. Of"
            " shards, more make smaller files",
        ),
    ),
    (
        (errno.ENAMETOOLONG,),
        _Case(
            NameTooLong,
            "",
            "give it, or the folder that it lies in, a shorter name",
        ),
    ),
    (
        (errno.EMFILE, errno.ENFILE),
        _Case(
            TransientError,
            "",
            f"{_AGAIN}let a process open more files (ulimit -n 1024), or use fewer --workers"
            " (--num-thread of im2rec)",
        ),
    ),
    (
        (errno.ENOMEM,),
        _Case(
            TransientError,
            "",
            f"{_AGAIN}free some memory, or use fewer --workers (--num-thread of im2rec)",
        ),
    ),
    (
        (errno.ELOOP,),
        _Case(
            LinkLoop,
            "a link leads back to itself",
            "remove the link, or have it lead to what is meant",
        ),
    ),
    ((errno.ENOENT,), _Case(Vanished, "", f"{_AGAIN}check the disk")),
)
_BY_NUMBER: Final = {number: case for numbers, case in _CASES for number in numbers}
_ANY: Final = _Case(TransientError, "", f"{_AGAIN}check the disk")


def translated(error: OSError, path: Path | None) -> ShardmillError:
    """Return the project's error for an operating-system error met at `path`, if it is known."""
    case = _BY_NUMBER.get(error.errno or 0, _ANY)
    if case.kind is OutputConflict and (link := _dangling(path)):
        return _leads_nowhere(link)
    reason = error.strerror or str(error)
    return case.kind(
        f"{case.what} ({reason})" if case.what else f"{reason} (errno {error.errno})",
        file=str(path) if path else None,
        remedy=case.remedy,
    )


def check_link(path: Location) -> None:
    """Check that no link on the way to a path leads nowhere; a store has none.

    Raises:
        OutputConflict: one does, or leads back to itself.
    """
    if isinstance(path, Path) and (link := _dangling(path)):
        raise _leads_nowhere(link)


def _leads_nowhere(link: Path) -> OutputConflict:
    target = os.readlink(link)
    if _is_loop(link):
        case = _BY_NUMBER[errno.ELOOP]
        found = f"a link to {target}"
        return OutputConflict(case.what, file=str(link), found=found, remedy=case.remedy)
    return OutputConflict(
        "a link leads nowhere",
        file=str(link),
        found=f"a link to {target}, which is not there",
        remedy="make what it should lead to, or remove the link",
    )


def _is_loop(link: Path) -> bool:
    try:
        os.stat(link)
    except OSError as error:
        return error.errno == errno.ELOOP
    return False


def _dangling(path: Path | None) -> Path | None:
    """Return the first link to nothing on the way to a path, or None."""
    for place in (*reversed(path.parents), path) if path else ():
        if place.is_symlink() and not os.path.exists(place):
            return place
    return None


@contextlib.contextmanager
def translate_oserrors(path: Path) -> Iterator[None]:
    """Turn what the operating system says about `path` into the project's errors."""
    try:
        yield
    except OSError as error:
        raise translated(error, path) from error
