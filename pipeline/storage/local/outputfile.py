"""Where a file that is given as output really goes: links are followed, devices never replaced."""

from __future__ import annotations

import contextlib
import os
import stat as stat_module
from pathlib import Path

from pipeline.errors import OutputConflict
from pipeline.storage.local.listing import special_name
from pipeline.storage.local.oserrors import check_link, translate_oserrors


def output_file(path: Path) -> Path:
    """Return the regular file that is written where an output is asked for; it may be absent.

    A file is published by a rename, which would put it in the place of a link or of a device.
    Through a link, what is written is the file that the link names.

    Raises:
        OutputConflict: a folder, a device, a pipe or a socket is there; a link leads nowhere,
            also one among the folders on the way.
    """
    check_link(path.parent)  # of a disk that is not mounted: its folder would be made elsewhere
    with translate_oserrors(path):
        real = Path(os.path.realpath(path))
        try:
            mode = os.lstat(real).st_mode
        except (FileNotFoundError, NotADirectoryError):
            if os.path.islink(path) and not real.parent.is_dir():
                raise _refused(path, f"a link into {real.parent}, which is no folder") from None
            check_link(path.parent)  # what is written would make the folder of an absent disk
            return real
    if stat_module.S_ISLNK(mode):
        raise _refused(path, "a link that leads back to itself")
    if not stat_module.S_ISREG(mode):
        raise _refused(path, "a folder" if stat_module.S_ISDIR(mode) else special_name(mode))
    return real


def file_of_descriptor(fd: int) -> Path | None:
    """Return the regular file that an open descriptor writes to; None: it is none, or not known."""
    with contextlib.suppress(OSError):
        path = Path(f"/proc/self/fd/{fd}").readlink()
        if stat_module.S_ISREG(os.fstat(fd).st_mode) and os.path.samestat(
            os.fstat(fd), os.stat(path)
        ):
            return path
    return None


def resolved(path: Path) -> Path:
    """Return a path with its links resolved, as far as anything is there."""
    return Path(os.path.realpath(path))


def _refused(path: Path, found: str) -> OutputConflict:
    return OutputConflict(
        "the output cannot be written there",
        file=str(path),
        expected="a regular file, a link to one, or nothing yet",
        found=found,
        remedy="give another name for the output",
    )
