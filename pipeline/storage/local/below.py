"""Opens folders below a root one by one, so that no symbolic link on the way is followed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat as stat_module
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import OutputConflict
from pipeline.storage.local.oserrors import translate_oserrors

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
"""Flags that a folder is opened with."""
NOT_A_FOLDER = frozenset({errno.ENOTDIR, errno.ELOOP, errno.EMLINK})
"""What the system says where a link, or a file, is opened as a folder."""


def reachable(root: Path, folder: Path) -> bool:
    """Whether a folder is there, below `root` or the root itself, with no link on the way."""
    with translate_oserrors(folder):
        try:
            with opened(root, folder):
                return True
        except (FileNotFoundError, NotADirectoryError, OutputConflict):
            return False


@contextlib.contextmanager
def opened(root: Path, folder: Path) -> Iterator[int]:
    """Give a descriptor of a folder below `root`, or of the root, reached without a link.

    Raises:
        OutputConflict: a link is on the way, or the path leads out of the root.
        OSError: it is absent, or cannot be opened.
    """
    place, fd = root, os.open(root, FOLDER)
    try:
        for part in _below(root, folder):
            place /= part
            inner = step(fd, part, place)
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


def _below(root: Path, folder: Path) -> tuple[str, ...]:
    parts = folder.relative_to(root).parts if folder.is_relative_to(root) else ("..",)
    if ".." in parts:
        raise OutputConflict(
            "this lies outside of the folder that may be changed",
            file=str(folder),
            expected=f"a path below {root}",
            remedy="remove what names it: this program did not write that",
        )
    return parts


def step(fd: int, name: str, place: Path) -> int:
    """Open a folder in an open one, without following a link; `place` is its path.

    Raises:
        OutputConflict: it is a link.
        OSError: it cannot be opened.
    """
    try:
        return os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=fd)
    except OSError as error:
        if error.errno not in NOT_A_FOLDER:
            raise
        if not stat_module.S_ISLNK(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
            raise
        raise OutputConflict(
            "nothing is removed through a link",
            file=str(place),
            expected="a folder",
            found="a link",
            remedy="put the folder itself in the place of the link, or let the whole output folder"
            " be the link, then run the same command again",
        ) from error
