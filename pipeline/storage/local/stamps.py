"""Stamps: size and times of a file, which tell without reading it whether it has changed.

A stamp is a 64-bit hash of a file's size, modification time and inode. Two different stamps say
that the file has to be read to know whether its content is the same; two equal stamps are trusted.
"""

from __future__ import annotations

import errno
import os
import struct
import time
from functools import partial
from pathlib import Path
from typing import Final

import xxhash

from pipeline.storage.local.oserrors import translate_oserrors, translated
from pipeline.storage.local.retrying import patiently

UNSETTLED: Final = 0
"""No file has this stamp: what is recorded with it is read again."""
ABSENT: Final = 1
"""The stamp of a file that is not there."""

_FIRST: Final = 2
_SETTLED_NS: Final = 2_000_000_000  # the coarsest clock of a file system in use ticks every 2 s
_PACK: Final = struct.Struct("<qqQ").pack
_HASH: Final = xxhash.xxh3_64_intdigest
_NOWHERE: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_READ: Final = 1 << 20  # bytes at a time


def stamp_of(info: os.stat_result) -> int:
    """Return the stamp of a file that is there."""
    stamp = _HASH(_PACK(info.st_size, info.st_mtime_ns, info.st_ino))
    return max(stamp, _FIRST)


def settled_stamp(info: os.stat_result) -> int:
    """Return the stamp to record with what is read next from an open file.

    A file that was changed a moment ago may change again within the same tick of the clock; such
    a change would leave the stamp as it is, so the stamp is not trusted.
    """
    recent = abs(time.time_ns() - info.st_mtime_ns) < _SETTLED_NS
    return UNSETTLED if recent else stamp_of(info)


def settled(path: Path) -> int:
    """Return the stamp to record of a file or folder before it is read, see `settled_stamp`.

    Of a folder that is its own: it changes with the names in the folder, and not with the content
    of the files. `ABSENT` where there is nothing.
    """
    try:
        return settled_stamp(patiently(partial(os.stat, path)))
    except OSError as error:
        if error.errno in _NOWHERE:
            return ABSENT
        raise translated(error, path) from error


def placed(path: Path) -> str:
    """Return a text that is another one after a file was replaced or restored with size and time.

    It is made of the file's number (inode) and of the time of its last change of any kind (ctime),
    which no program can set back; "" where there is no file. It is another one, too, where no byte
    has changed but the rights of the file, its names, or the disk that it lies on. So it is no
    part of a stamp: every file of a data set would be read again for a hard link to it.

    Raises:
        NoPermission: nobody may look.
    """
    try:
        info = patiently(partial(os.stat, path))
    except OSError as error:
        if error.errno in _NOWHERE:
            return ""
        raise translated(error, path) from error
    return f"{info.st_ino}-{info.st_ctime_ns}"


def read_stamped(path: Path) -> tuple[int, bytes]:
    """Read a file; return the stamp to record, and the xxh3-128 of its content, 16 bytes.

    Raises:
        NoPermission: it may not be read.
        Vanished: it is gone.
    """
    with translate_oserrors(path):
        return patiently(partial(_read, path))


def _read(path: Path) -> tuple[int, bytes]:
    hasher = xxhash.xxh3_128()
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        info = os.fstat(fd)  # first: a change while it is read makes the stamp differ
        while piece := os.read(fd, min(_READ, info.st_size + 1)):
            hasher.update(piece)
    finally:
        os.close(fd)
    return settled_stamp(info), hasher.digest()
