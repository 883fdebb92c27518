"""Plans a removal: which files go, and which stay."""

from __future__ import annotations

import contextlib
import os
import stat as stat_module
from collections.abc import Container, Iterable
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import OutputConflict
from pipeline.storage.local.below import opened, step
from pipeline.storage.local.oserrors import translate_oserrors
from pipeline.storage.removal import Doomed, Owns, Plan


def plan_files(root: Path, files: Iterable[Path], *, links: bool = False) -> Plan:
    """Plan to remove some regular files, and with `links` links themselves; absent is fine.

    Anything else of these names, and what lies behind a link, is a stranger.

    Raises:
        ShardmillError: a folder on the way cannot be read.
    """
    items, strangers = list[Doomed](), list[Path]()
    for path in files:
        try:
            info = _look(root, path)
        except OutputConflict:
            strangers.append(path)
            continue
        if info is None:
            continue
        is_link = stat_module.S_ISLNK(info.st_mode)
        if stat_module.S_ISREG(info.st_mode) or (links and is_link):
            items.append(_doomed(path, info))
        else:
            strangers.append(path)
    return Plan(root, tuple(items), tuple(strangers))


def plan_folder(root: Path, folder: Path, owns: Owns, *, links: bool = False) -> Plan:
    """Plan to remove what is owned in a folder, and the folder if nothing else is in it.

    Args:
        root: the folder that nothing outside of is removed.
        folder: a folder below it; it may be absent.
        owns: asked of each file, and of each folder before it is looked into.
        links: whether links that are owned go, too: they themselves, never what they lead to.

    Raises:
        ShardmillError: a folder cannot be read.
    """
    items, strangers = list[Doomed](), list[Path]()
    with translate_oserrors(folder), contextlib.suppress(FileNotFoundError, NotADirectoryError):
        try:
            with opened(root, folder) as fd:
                kinds = {stat_module.S_IFREG, stat_module.S_IFLNK if links else stat_module.S_IFREG}
                _Planner(owns, kinds, items, strangers).plan(fd, folder)
        except OutputConflict:
            strangers.append(folder)
    return Plan(root, tuple(items), tuple(strangers))


def identity(info: os.stat_result) -> tuple[int, ...]:
    """Return what tells an inode from another, and a file from what it is after a change."""
    which = (stat_module.S_IFMT(info.st_mode), info.st_dev, info.st_ino)
    if stat_module.S_ISDIR(info.st_mode):
        return which
    return (*which, info.st_size, info.st_mtime_ns)


def _look(root: Path, path: Path) -> os.stat_result | None:
    with translate_oserrors(path):
        try:
            with opened(root, path.parent) as fd:
                return os.stat(path.name, dir_fd=fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None


@dataclass(frozen=True)
class _Planner:
    """Goes through open folders and notes what goes and what stays."""

    owns: Owns
    kinds: Container[int]
    items: list[Doomed]
    strangers: list[Path]

    def plan(self, fd: int, folder: Path) -> None:
        """Note everything in an open folder, and the folder if all of it goes."""
        before = len(self.strangers)
        for name in sorted(os.listdir(fd)):
            with contextlib.suppress(FileNotFoundError):
                self._entry(fd, folder / name)
        if len(self.strangers) == before:
            self.items.append(_doomed(folder, os.fstat(fd)))

    def _entry(self, fd: int, path: Path) -> None:
        info = os.stat(path.name, dir_fd=fd, follow_symlinks=False)
        kind = stat_module.S_IFMT(info.st_mode)
        if kind in self.kinds and self.owns(path):
            self.items.append(_doomed(path, info))
        elif kind == stat_module.S_IFDIR and self.owns(path):
            inner = step(fd, path.name, path)
            try:
                self.plan(inner, path)
            finally:
                os.close(inner)
        else:
            self.strangers.append(path)


def _doomed(path: Path, info: os.stat_result) -> Doomed:
    size = 0 if stat_module.S_ISDIR(info.st_mode) else info.st_size
    return Doomed(path, size, identity(info))
