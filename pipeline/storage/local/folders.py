"""Staged folders: their files appear under their final names when all of them are whole."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from pathlib import Path
from typing import Self

from pipeline.errors import InputRefused
from pipeline.storage.local.deleting import discard, discard_files
from pipeline.storage.local.flocks import locked_temp
from pipeline.storage.local.hardlinks import UNLINKABLE
from pipeline.storage.local.oserrors import translate_oserrors, translated
from pipeline.storage.local.staging import Buffer, sync_folder

_LONGEST_NAME = 255  # bytes
# What the system says where a file can have no second name: another file system, one that knows
# no hard links, a file of somebody else's, or one that has as many as it may.


class StagedFolder:
    """A folder being filled under a temporary name; `publish_folders` gives it its final one.

    Leaving the context without that removes it with what is in it.

    Args:
        path: its final name. There must be nothing, or an empty folder.
        merge: `path` is a folder, or a link to one, on the same file system, which the files
            are to be moved into, each by itself, in the place of those of the same names.
        merge_later: the same is done where somebody else gives a folder that name meanwhile.
    """

    def __init__(self, path: Path, *, merge: bool = False, merge_later: bool = False) -> None:
        self.path = path
        self.merge = merge
        self._merge_later = merge_later
        self._open = False
        self._names: list[str] = []
        with translate_oserrors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.temp, self._fd = locked_temp(path, _created)
            self.device = os.fstat(self._fd).st_dev
        self._open = True

    def write(self, name: str, content: Buffer) -> None:
        """Create one file.

        Raises:
            InputRefused: no file may have that name.
        """
        check_file_name(name, self.path)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            fd = os.open(name, flags, 0o666, dir_fd=self._fd)
            self._names.append(name)
            try:
                written = os.write(fd, content)
                while written < len(content):
                    written += os.write(fd, memoryview(content)[written:])
            finally:
                os.close(fd)
        except OSError as error:
            raise translated(error, self.path / name) from error

    def hard_link(self, name: str, source: Path) -> bool:
        """Give a file one more name here, links followed; return whether it can have one.

        Raises:
            InputRefused: no file may have that name.
        """
        check_file_name(name, self.path)
        try:
            # Only with a folder's descriptor does Python follow links on every system.
            os.link(source, name, dst_dir_fd=self._fd, follow_symlinks=True)
        except OSError as error:
            if error.errno in UNLINKABLE:
                return False
            absent = error.errno == errno.ENOENT
            raise translated(error, source if absent else self.path / name) from error
        self._names.append(name)
        return True

    def symlink(self, name: str, source: Path) -> None:
        """Create a symbolic link to the absolute path of a file.

        Raises:
            InputRefused: no file may have that name.
        """
        check_file_name(name, self.path)
        with translate_oserrors(self.path / name):
            os.symlink(os.path.abspath(source), name, dir_fd=self._fd)
        self._names.append(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def sync(self) -> None:
        """Make everything on the file system that holds it durable."""
        _sync_file_system(self._fd, self.path)

    def rename(self) -> None:
        """Give the folder, or with `merge` its files, the final name; it must be synced."""
        with translate_oserrors(self.path):
            if not self.merge:
                self.merge = not self._rename_whole()
            if self.merge:
                self._move_files()
            self._close()

    def discard(self) -> None:
        """Remove the temporary folder and what is in it, if it was not published."""
        if self._open:
            with contextlib.suppress(OSError):  # what stays is recognised as stale later
                self._remove()
            with contextlib.suppress(OSError):
                self._close()

    def _rename_whole(self) -> bool:
        """Rename the folder; false: another one with files is there, which these may go into."""
        try:
            os.rename(self.temp, self.path)
        except OSError as error:
            if self._merge_later and error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
                return False
            raise
        return True

    def _move_files(self) -> None:
        target = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in self._names:
                with translate_oserrors(self.path / name):
                    os.replace(name, name, src_dir_fd=self._fd, dst_dir_fd=target)
        finally:
            os.close(target)
        self._remove()  # a second name of the same file is not moved

    def _remove(self) -> None:
        """Remove what was made here; what somebody else has put there stays, with the folder."""
        discard_files(self._fd, self._names)
        discard(self.temp, self._fd)

    def _close(self) -> None:
        if self._open:
            self._open = False
            os.close(self._fd)


def publish_folders(*staged: StagedFolder) -> None:
    """Make folders durable, by one sync of their file system, and give them their final names.

    Raises:
        OutputConflict: something else has one of these names. Folders before it have theirs.
    """
    for folder in {folder.device: folder for folder in staged}.values():
        folder.sync()
    for folder in staged:
        folder.rename()
    for changed in sorted({each.path if each.merge else each.path.parent for each in staged}):
        sync_folder(changed)


def sync_file_system(folder: Path) -> None:
    """Make everything on the file system that holds a folder durable."""
    with translate_oserrors(folder):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sync_file_system(fd, folder)
    finally:
        os.close(fd)


def same_folder(one: Path, other: Path) -> bool:
    """Whether two paths lead to one folder; false if either is absent."""
    with translate_oserrors(one):
        try:
            return os.path.samefile(one, other)
        except (FileNotFoundError, NotADirectoryError):
            return False


def same_place(one: Path, other: Path) -> bool:
    """Whether two paths are of one file or folder, links or not, or would be if it were there."""
    if one == other or same_folder(one, other):
        return True
    return one.name == other.name and same_folder(one.parent, other.parent)


def is_within(path: Path, folder: Path) -> bool:
    """Whether a path, which may be absent, lies in a folder, links resolved."""
    real, outer = os.path.realpath(path), os.path.realpath(folder)
    return real != outer and os.path.commonpath([real, outer]) == outer


def check_file_name(name: str, folder: Path) -> None:
    """Check that a file in `folder` may have this name.

    Raises:
        InputRefused: it may not.
    """
    if name in {"", ".", ".."} or "/" in name or "\0" in name or _encoded(name) > _LONGEST_NAME:
        raise InputRefused(
            "a name that no file may have",
            file=str(folder),
            expected=f"1 to {_LONGEST_NAME} bytes, not . or .., without / and NUL",
            found=repr(name),
            remedy="give the image another name in its archive or tree",
        )


def _created(temp: Path) -> int:
    os.mkdir(temp)
    return os.open(temp, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _encoded(name: str) -> int:
    try:
        return len(os.fsencode(name))
    except UnicodeEncodeError:
        return _LONGEST_NAME + 1


def _sync_file_system(fd: int, path: Path) -> None:
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:
        os.sync()
    elif syncfs(fd) != 0:
        number = ctypes.get_errno()
        raise translated(OSError(number, os.strerror(number)), path)
