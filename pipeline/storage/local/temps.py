"""Temporary files: which there are, whether their owners are gone, and their removal.

An owner is gone when its process is: a process that runs is never taken for gone, whatever the
locks say, because there are file systems whose locks exclude nobody. Where processes cannot be
compared, in another container of the same name, only a lock that does exclude tells.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat as stat_module
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import OutputConflict, Vanished
from pipeline.storage.local import flocks, owner
from pipeline.storage.local.below import opened
from pipeline.storage.local.deleting import carry_out
from pipeline.storage.local.flocks import Lock
from pipeline.storage.local.listing import scan, sizes
from pipeline.storage.local.oserrors import translate_oserrors
from pipeline.storage.local.owner import Owner
from pipeline.storage.local.tempnames import owner_of, target_of, temp_path, temp_prefix
from pipeline.storage.location import on_this_machine
from pipeline.storage.removal import Outcome, Plan


@dataclass(frozen=True)
class TempFile:
    """A temporary file, link or folder beside its target.

    Attributes:
        path: where it is.
        size: bytes; of a folder, those of the files in it.
        host: name of the machine of the process that made it.
        pid: number of that process.
        owner_gone: whether that process is gone, provably.
        is_folder: whether it is a folder.
        is_held: whether somebody holds a lock on it though that process is gone: a child of it, or
            anybody who may read the file.
        is_elsewhere: whether that process is of another host or container, so that nothing is known
            of it here.
    """

    path: Path
    size: int
    host: str
    pid: int
    owner_gone: bool
    is_folder: bool = False
    is_held: bool = False
    is_elsewhere: bool = False

    @property
    def target(self) -> Path:
        """What it becomes when it is published; of a long name only the beginning."""
        return self.path.with_name(target_of(self.path.name)[0])

    @property
    def is_cut(self) -> bool:
        """Whether `target` lacks the end of its name."""
        return target_of(self.path.name)[1]

    def becomes(self, path: Path) -> bool:
        """Whether it is a temporary file of this path, by its name, which may be cut."""
        return self.target.parent == path.parent and temp_prefix(path) == f".{self.target.name}."


def temp_files(folder: Path) -> list[TempFile]:
    """Return the temporary files, links and folders in a folder (not below), sorted by name."""
    temps = []
    with translate_oserrors(folder):
        for entry in scan(folder):
            if process := owner_of(entry.name):
                with contextlib.suppress(FileNotFoundError):
                    temps.append(_temp_file(folder / entry.name, process))
    return sorted(temps, key=lambda temp: temp.path.name)


def remove_temp(temp: TempFile, plan: Plan) -> Outcome:
    """Carry out the plan to remove a temporary file, link or folder, while its lock is held.

    One whose owner lives, or has turned out to be at work, stays, and so does what is another
    than it was when the plan was made.

    Raises:
        OutputConflict: its name is not that of a temporary file.
        ShardmillError: it cannot be removed.
    """
    if owner_of(temp.path.name) is None:
        raise OutputConflict(
            "this is no temporary file",
            file=str(temp.path),
            expected=f"a name like {temp_path(temp.path).name}",
        )
    if not (temp.owner_gone and plan.items):
        return Outcome(kept=plan.items)
    root = on_this_machine(plan.root)
    try:
        with translate_oserrors(temp.path), opened(root, temp.path.parent) as folder:
            fd = _opened_to_lock(folder, temp.path.name)
    except Vanished:
        return Outcome()
    if fd is None:
        return carry_out(plan)
    try:
        # Held until it is gone: one who has just made it would write what is being removed.
        return Outcome(kept=plan.items) if flocks.take(fd) is Lock.HELD else carry_out(plan)
    finally:
        os.close(fd)


def _temp_file(path: Path, process: Owner) -> TempFile:
    info = os.lstat(path)
    gone, held = _gone(path, process, stat_module.S_ISLNK(info.st_mode))
    is_folder = stat_module.S_ISDIR(info.st_mode)
    size = sum(sizes(path).values()) if is_folder else info.st_size
    elsewhere = not (gone or process.is_comparable)
    return TempFile(path, size, process.host, process.pid, gone, is_folder, held, elsewhere)


def _gone(path: Path, process: Owner, is_link: bool) -> tuple[bool, bool]:
    """Return whether the owner is gone, and whether somebody else holds its file nevertheless."""
    if process.host != owner.host():
        return False, False
    if process.is_comparable:
        if process.runs():
            return False, False
        # Its children may have inherited the lock.
        held = not is_link and _lock(path) is Lock.HELD
        return not held, held
    free = not is_link and _lock(path) is Lock.FREE
    return free and flocks.exclude(path.parent), False


def _lock(path: Path) -> Lock:
    try:
        fd = flocks.open_to_lock(path)
    except FileNotFoundError:
        return Lock.FREE
    except OSError:
        return Lock.UNKNOWN
    try:
        return flocks.take(fd)
    finally:
        os.close(fd)


def _opened_to_lock(folder: int, name: str) -> int | None:
    """Open a temporary file to ask for its lock; None: a link, or a file that may not be read."""
    try:
        return flocks.open_to_lock(name, folder)
    except PermissionError:  # the file of another user, in a folder of this one
        return None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        return None
