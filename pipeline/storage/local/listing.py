"""Stat, list and read files."""

from __future__ import annotations

import contextlib
import errno
import os
import stat as stat_module
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from pipeline.errors import OutputDamaged
from pipeline.storage.fileinfo import FileInfo
from pipeline.storage.local.oserrors import translate_oserrors, translated
from pipeline.storage.local.retrying import patiently, try_again
from pipeline.storage.local.spreading import spread
from pipeline.storage.local.stamps import ABSENT, stamp_of

_LEADS_NOWHERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_NO_FILE = {*_LEADS_NOWHERE, errno.ENAMETOOLONG}


class Entry(NamedTuple):
    """What a folder holds under a name, links followed.

    Attributes:
        name: as the operating system gives it.
        kind: ``file``, ``folder``, ``broken link`` or ``special file``.
        size: bytes of a file; 0 for all else.
        stamp: of a file, see `pipeline.storage.local.stamps`; 0 for all else.
    """

    name: str
    kind: str
    size: int
    stamp: int = 0


def stat(path: Path | str) -> FileInfo | None:
    """Return what is known of a regular file without opening it, or None if there is none."""
    try:
        info = patiently(lambda: os.stat(path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise translated(error, Path(path)) from error
    if not stat_module.S_ISREG(info.st_mode):
        return None
    return FileInfo.of(info)


def kind(path: Path) -> str | None:
    """Return what a path leads to: a ``file``, ``folder``, ``special file``, or None: nothing."""
    try:
        mode = patiently(lambda: os.stat(path)).st_mode
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        raise translated(error, path) from error
    return _kind(mode)


def special_kind(path: Path) -> str | None:
    """Return whether a path leads to ``a pipe``, ``a socket`` or ``a device``; None: to no such."""
    if kind(path) != "special file":
        return None
    with translate_oserrors(path):
        return special_name(os.stat(path).st_mode)


def special_name(mode: int) -> str:
    """Return the name of what is neither a regular file nor a folder, by its mode."""
    if stat_module.S_ISFIFO(mode):
        return "a pipe"
    return "a socket" if stat_module.S_ISSOCK(mode) else "a device"


def file_sizes(root: Path, names: Iterable[str]) -> list[int]:
    """Return the size of each regular file, links followed; -1 where there is none.

    Args:
        root: folder that the names are relative to.
        names: paths; an absolute one counts as it is.
    """
    return [size for size, _ in file_stamps(root, names)]


def file_stamps(root: Path, names: Iterable[str]) -> list[tuple[int, int]]:
    """Return size and stamp of each regular file, links followed; (-1, `ABSENT`) for no file.

    Args:
        root: folder that the names are relative to.
        names: paths; an absolute one counts as it is.
    """
    return spread(partial(_file_stamps, os.path.join(root, "")), list(names))


def _file_stamps(root: str, names: Sequence[str]) -> list[tuple[int, int]]:
    """Do as `file_stamps` does, one after another; `root` ends in a slash.

    There may be millions of names: this is written to cost little beside the calls of the system.
    """
    stamps = []
    look, regular, stamp = os.stat, stat_module.S_ISREG, stamp_of
    for name in names:
        path = name if name[:1] == "/" else root + name
        try:
            info = look(path)
        except OSError as error:
            again = _stat_again(path, error)
            if again is None:
                stamps.append((-1, ABSENT))
                continue
            info = again
        stamps.append((info.st_size, stamp(info)) if regular(info.st_mode) else (-1, ABSENT))
    return stamps


def _stat_again(path: str, error: OSError) -> os.stat_result | None:
    """Return what a path leads to that could not be looked at once; None: to no file."""
    try:
        return try_again(partial(os.stat, path), error)
    except OSError as last:
        if last.errno not in _NO_FILE:
            raise translated(last, Path(path)) from last
        return None


def sizes(folder: Path) -> dict[str, int]:
    """Return name -> size of the regular files in a folder, in one listing; {} if it is absent."""
    size_of: dict[str, int] = {}
    with translate_oserrors(folder):
        for entry in scan(folder):
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    size_of[entry.name] = entry.stat(follow_symlinks=False).st_size
    return size_of


def entries(folder: Path) -> list[Entry]:
    """Return everything that a folder holds, links followed, in no order; [] if it is absent."""
    with translate_oserrors(folder):
        return [entry for entry in spread(_all_followed, scan(folder)) if entry is not None]


def kinds(folder: Path) -> list[Entry]:
    """Do as `entries` does, but without sizes and stamps: only links are looked at one by one."""
    with translate_oserrors(folder):
        return [known for entry in scan(folder) if (known := _by_kind(entry))]


def real_folder(path: Path) -> Path | None:
    """Return where a folder really lies, links resolved, or None if there is no such folder."""
    try:
        real = Path(patiently(partial(os.path.realpath, path, strict=True)))
        return real if stat_module.S_ISDIR(patiently(partial(os.stat, real)).st_mode) else None
    except OSError as error:
        if error.errno in _LEADS_NOWHERE:
            return None
        raise translated(error, path) from error


def folders(folder: Path, *, links: bool = False) -> list[str]:
    """Return the names of the folders in a folder, sorted; [] if it is absent.

    Args:
        folder: where to look.
        links: whether links to folders count.
    """
    with translate_oserrors(folder):
        return sorted(entry.name for entry in scan(folder) if entry.is_dir(follow_symlinks=links))


def file_names(folder: Path) -> list[str]:
    """Return the names of the files in a folder, sorted; links to files count."""
    return sorted(each.name for each in kinds(folder) if each.kind == "file")


def is_empty(folder: Path) -> bool:
    """Whether there is nothing in a folder; true if it is absent."""
    with translate_oserrors(folder):
        return not scan(folder)


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """Return a whole (small) file.

    Args:
        path: the file.
        most: how many bytes it may have; None: any number.

    Raises:
        OutputDamaged: it has more; they are not read.
    """
    with translate_oserrors(path):
        if most is None:
            return path.read_bytes()
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            # One byte more shows whether it grows; a buffer of `most` bytes would be taken at once.
            content = file.read(size + 1) if size <= most else None
    if content is None or len(content) > most:
        raise too_long(str(path), most)
    return content


def too_long(name: str, most: int) -> OutputDamaged:
    """Return the error of a document that has more bytes than it may have."""
    return OutputDamaged(
        "a document of more bytes than this program writes",
        file=name,
        expected=f"at most {most:,} bytes",
        remedy="remove the file and run the shardmill command again: it is made anew",
    )


@contextlib.contextmanager
def open_arrow(path: Path, name: str) -> Iterator[pa.NativeFile]:
    """Open a file for Arrow, memory-mapped: only the pages that are read become resident.

    Args:
        path: where it is.
        name: what errors call it.

    Raises:
        OutputDamaged: in the context Arrow finds that the file is not what it wrote.
    """
    try:
        with pa.memory_map(str(path), "r") as file:
            yield file
    except (pa.ArrowException, ValueError, LookupError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise translated(error, path) from error
        raise OutputDamaged(
            "the table is not as it was written",
            file=name,
            found=str(error),
            remedy="remove the file and run the shardmill command again: it is made anew",
        ) from error


def check_table(table: pa.Table | pa.RecordBatch, schema: pa.Schema) -> None:
    """Check, in the context of `open_arrow`, that every value of a table can be read.

    Arrow trusts the offsets in its files: a wrong one would end the process.

    Raises:
        pa.ArrowInvalid: one cannot, or the columns are others.
    """
    if not table.schema.equals(schema):
        raise pa.ArrowInvalid(f"other columns than {', '.join(schema.names)}")
    table.validate(full=True)


def pointed(link: Path) -> str | None:
    """Return what a link made by `point` points to, or None."""
    try:
        return os.readlink(link)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise translated(error, link) from error


def free_bytes(folder: Path) -> int:
    """Return the bytes that may still be written to the file system that holds `folder`."""
    with translate_oserrors(folder):
        info = os.statvfs(existing(folder))
    return info.f_bavail * info.f_frsize


def scan(folder: Path) -> list[os.DirEntry[str]]:
    """Return the entries of a folder; [] if it is absent."""
    try:
        return patiently(partial(_scan, folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(entries)


def _by_kind(entry: os.DirEntry[str]) -> Entry | None:
    if entry.is_symlink():
        return _followed(entry)
    kind = "file" if entry.is_file() else "folder" if entry.is_dir() else "special file"
    return Entry(entry.name, kind, 0)


def _all_followed(entries: Sequence[os.DirEntry[str]]) -> list[Entry | None]:
    return [_followed(entry) for entry in entries]


def _followed(entry: os.DirEntry[str]) -> Entry | None:
    try:
        info = patiently(entry.stat)
    except OSError as error:
        if error.errno not in _LEADS_NOWHERE:
            raise translated(error, Path(entry.path)) from error
        # What is no link was there when it was listed, and is gone.
        return Entry(entry.name, "broken link", 0) if entry.is_symlink() else None
    if stat_module.S_ISREG(info.st_mode):
        return Entry(entry.name, "file", info.st_size, stamp_of(info))
    return Entry(entry.name, _kind(info.st_mode), 0)


def _kind(mode: int) -> str:
    if stat_module.S_ISREG(mode):
        return "file"
    return "folder" if stat_module.S_ISDIR(mode) else "special file"


def existing(folder: Path) -> Path:
    """Return a folder, or where it is absent the first one above it that is there."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
