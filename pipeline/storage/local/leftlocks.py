"""Lock files beside targets that killed commands have left: which there are, and their removal.

`locks.target_lock` removes its hidden file again; only a kill leaves it, and then it is used again
by whoever makes the same target. One is told from a stranger's file of such a name by what its
holder has written into it. Where the locks of the file system exclude nobody, none is known to be
free, and none is removed.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat as stat_module
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pipeline.storage.local import flocks, holders
from pipeline.storage.local.below import opened
from pipeline.storage.local.deleting import carry_out
from pipeline.storage.local.flocks import Lock
from pipeline.storage.local.oserrors import translate_oserrors
from pipeline.storage.location import on_this_machine
from pipeline.storage.removal import Doomed, Outcome, Plan

_NAME: Final = re.compile(r"\..+\.lock", re.DOTALL)


def left_locks(root: Path, folder: Path) -> list[Path]:
    """Return the lock files in a folder (not below) that nobody holds, sorted by name.

    Args:
        root: the output folder; no link below it is followed.
        folder: a folder below it, or itself; it may be absent.

    Raises:
        ShardmillError: the folder cannot be read, or a link leads to it.
    """
    absent = contextlib.suppress(FileNotFoundError, NotADirectoryError)
    with translate_oserrors(folder), absent, opened(root, folder) as fd:
        with os.scandir(fd) as entries:  # by their names alone: there may be a million of files
            names = sorted(entry.name for entry in entries if _NAME.fullmatch(entry.name))
        if names and flocks.exclude(folder):
            return [folder / name for name in names if _is_left(fd, name)]
    return []


def remove_left_locks(plan: Plan) -> Outcome:
    """Remove lock files, each while its lock is held here; one that somebody holds by now stays.

    Args:
        plan: names them, each as it was when it was looked at.

    Raises:
        ShardmillError: one cannot be removed.
    """
    outcomes = [_removed(on_this_machine(plan.root), item) for item in plan.items]
    removed = tuple(item for outcome in outcomes for item in outcome.removed)
    return Outcome(removed, tuple(item for outcome in outcomes for item in outcome.kept))


def _removed(root: Path, item: Doomed) -> Outcome:
    path = on_this_machine(item.path)
    with (
        translate_oserrors(path),
        contextlib.suppress(FileNotFoundError, NotADirectoryError),
        opened(root, path.parent) as folder,
        _taken(folder, path.name) as fd,
    ):
        return Outcome(kept=(item,)) if fd is None else carry_out(Plan(root, (item,)))
    return Outcome()


def _is_left(folder: int, name: str) -> bool:
    """Whether a file of an open folder is a lock file of this program that nobody holds."""
    with contextlib.suppress(OSError), _taken(folder, name) as fd:  # such as a stranger's link
        if fd is None:
            return False
        info = os.fstat(fd)
        is_own_file = stat_module.S_ISREG(info.st_mode) and info.st_nlink == 1
        return is_own_file and holders.recorded(fd) is not None
    return False


@contextlib.contextmanager
def _taken(folder: int, name: str) -> Iterator[int | None]:
    """Hold the lock on a file of an open folder, without waiting; None: it is not to be had.

    Raises:
        OSError: it cannot be opened; of a link, that it is one.
    """
    fd = flocks.open_to_lock(name, folder)
    try:
        yield fd if flocks.take(fd) is Lock.FREE else None
    finally:
        os.close(fd)
