"""Files and folders that are given as input. Files are read more than once, and pipes only once.

A shell's process substitution, ``/dev/stdin`` and a named pipe have paths like any file. But
several processes read an image list, and the next command reads it again, by its path.
"""

from __future__ import annotations

from pathlib import Path

from pipeline import storage
from pipeline.errors import UsageError
from pipeline.storage.location import Location, Remote

_OF_ONE_PROCESS = ("/dev/fd/", "/dev/std", "/proc/")


def check_rereadable(path: Path, noun: str) -> None:
    """Check that a path leads to no pipe, socket or device.

    Args:
        path: what was given; it may be absent, or a folder.
        noun: what it is given as, with its article, such as ``an image list``.

    Raises:
        UsageError: it does.
    """
    special = storage.special_kind(path)
    if special is not None:
        raise _refused(path, noun, special)


def check_shareable(path: Location, noun: str) -> None:
    """Check that a path leads to no pipe, socket or device, and to one file in every process.

    Args:
        path: see `check_rereadable`; or an address, which is one for all.
        noun: see `check_rereadable`.

    Raises:
        UsageError: it does not, as ``/dev/stdin`` where a file is the standard input.
    """
    if isinstance(path, Remote):
        return
    check_rereadable(path, noun)
    if str(path).startswith(_OF_ONE_PROCESS):
        raise _refused(path, noun, "a path that leads elsewhere in another process")


def check_root(root: Location, remedy: str) -> None:
    """Check that the folder of images is there; a store has no folder but by what lies in it.

    Args:
        root: the folder.
        remedy: what to do if it is not.

    Raises:
        UsageError: it is not.
        OutputConflict: a link on the way to it leads nowhere, or back to itself.
    """
    if not isinstance(root, Remote) and storage.real_folder(root) is None:
        storage.check_link(root)
        raise UsageError("there is no such folder of images", file=str(root), remedy=remedy)


def _refused(path: Location, noun: str, found: str) -> UsageError:
    return UsageError(
        f"{noun} is read more than once, and by several processes",
        file=str(path),
        expected="a file on disk",
        found=found,
        remedy="save it in a file first, and give that file",
    )
