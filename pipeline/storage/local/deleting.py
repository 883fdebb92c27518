"""The one module that removes files, links and folders.

A removal that a person is asked about has two halves. A plan names what is to go and remembers
which files these were; carrying it out removes exactly those, and nothing that has appeared or
changed since. The root of a plan may be reached through links: that is the user's choice. Below
the root every folder is opened by itself and no link is followed, so nothing outside is reached.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat as stat_module
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.errors import OutputConflict
from pipeline.storage.local.below import FOLDER, NOT_A_FOLDER, opened
from pipeline.storage.local.oserrors import translate_oserrors
from pipeline.storage.local.removalplan import identity
from pipeline.storage.local.stamps import stamp_of
from pipeline.storage.location import on_this_machine
from pipeline.storage.removal import Doomed, Outcome, Plan

_NOT_EMPTY = {errno.ENOTEMPTY, errno.EEXIST}


def carry_out(plan: Plan) -> Outcome:
    """Remove the items of a plan, but those that are not what they were when it was made.

    Raises:
        ShardmillError: one cannot be removed.
    """
    removed, kept = list[Doomed](), list[Doomed]()
    root = on_this_machine(plan.root)
    for place, grouped in itertools.groupby(plan.items, key=lambda item: item.path.parent):
        folder, items = on_this_machine(place), list(grouped)
        with translate_oserrors(folder), contextlib.suppress(FileNotFoundError, NotADirectoryError):
            try:
                with opened(root, folder) as fd:
                    for item in items:
                        (removed if _remove_unchanged(fd, item) else kept).append(item)
            except OutputConflict:  # a link stands there by now
                kept += items
    return Outcome(tuple(removed), tuple(kept))


def remove(root: Path, path: Path) -> None:
    """Remove a file, a link itself or an empty folder below `root`; absent is fine.

    Raises:
        OutputConflict: a link is on the way, or the path leads out of the root.
        ShardmillError: it cannot be removed.
    """
    absent = contextlib.suppress(FileNotFoundError, NotADirectoryError)
    with translate_oserrors(path), absent, opened(root, path.parent) as fd:
        info = os.stat(path.name, dir_fd=fd, follow_symlinks=False)
        remove_it = os.rmdir if stat_module.S_ISDIR(info.st_mode) else os.unlink
        remove_it(path.name, dir_fd=fd)


def remove_read(folder: Path, stamps: Mapping[str, int]) -> list[str]:
    """Remove files of a folder that were read from there, unless they look different by now.

    What is absent, also the folder, is fine.

    The folder and its files may be links, as the user has laid out what is read; of a link only
    the link is removed.

    Args:
        folder: where they are.
        stamps: name -> stamp from before it was read; see `pipeline.storage.local.stamps`.

    Returns:
        The names of the files that look different, which stay.

    Raises:
        ShardmillError: one cannot be removed.
    """
    different = list[str]()
    with translate_oserrors(folder), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        fd = os.open(folder, FOLDER)
        try:
            for name, stamp in stamps.items():
                with contextlib.suppress(FileNotFoundError):
                    if stamp_of(os.stat(name, dir_fd=fd)) == stamp:
                        os.unlink(name, dir_fd=fd)
                    else:
                        different.append(name)
        finally:
            os.close(fd)
    return different


def remove_empty(folder: Path) -> bool:
    """Remove a folder if nothing is in it; return whether it is gone. A link to one stays.

    Raises:
        ShardmillError: it may not be removed.
    """
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in _NOT_EMPTY | NOT_A_FOLDER:
            return False
        with translate_oserrors(folder):
            raise
    return True


def discard(path: Path, fd: int) -> None:
    """Remove what this process has made and holds open, unless the name leads elsewhere by now.

    Raises:
        OSError: it cannot be removed.
    """
    with contextlib.suppress(FileNotFoundError):
        info = os.lstat(path)
        if os.path.samestat(info, os.fstat(fd)):
            (os.rmdir if stat_module.S_ISDIR(info.st_mode) else os.unlink)(path)


def discard_files(folder: int, names: Iterable[str]) -> None:
    """Remove files and links that this process has made in an open folder; absent is fine.

    Raises:
        OSError: one cannot be removed.
    """
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def discard_link(path: Path) -> None:
    """Remove a link that this process has made under a name of chance; absent is fine.

    Raises:
        OSError: it cannot be removed.
    """
    with contextlib.suppress(FileNotFoundError):
        if stat_module.S_ISLNK(os.lstat(path).st_mode):
            os.unlink(path)


def discard_second_name(path: Path, file: Path) -> None:
    """Remove a name of chance that this process has given a file; absent is fine.

    Args:
        path: the name, which goes if it is that file's.
        file: another name of the file, which stays.

    Raises:
        OSError: it cannot be removed.
    """
    with contextlib.suppress(FileNotFoundError):
        if os.path.samestat(os.lstat(path), os.lstat(file)):
            os.unlink(path)


def _remove_unchanged(fd: int, item: Doomed) -> bool:
    """Remove an item of an open folder, unless it is another by now; return whether it is gone."""
    name = item.path.name
    try:
        if identity(os.stat(name, dir_fd=fd, follow_symlinks=False)) != item.identity:
            return False
        (os.rmdir if item.is_folder else os.unlink)(name, dir_fd=fd)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in _NOT_EMPTY:
            raise
        return False
    return True
