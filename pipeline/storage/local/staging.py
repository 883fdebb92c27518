"""Logs, links to what is current, and folders whose names are made durable."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import OutputConflict
from pipeline.storage.local.deleting import discard_link
from pipeline.storage.local.oserrors import translate_oserrors, translated
from pipeline.storage.local.tempnames import temp_path

Buffer = bytes | bytearray | memoryview


def append_line(path: Path, line: bytes) -> None:
    """Append one line in a single write: lines of several processes do not mix."""
    with open_log(path) as log, translate_oserrors(path):
        log.write(line + b"\n")


def open_log(path: Path) -> BinaryIO:
    """Open a log for appending, unbuffered."""
    with translate_oserrors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab", buffering=0)


def link_to(link: Path, target: str) -> None:
    """Make `link` a symbolic link to `target` (a name in the same folder), atomically."""
    temp = temp_path(link)
    try:
        if os.path.lexists(link) and not link.is_symlink():
            raise OutputConflict(
                "a file or folder stands where a link should be made",
                file=str(link),
                remedy="move it away, then run the same command again",
            )
        link.parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, temp)
        os.replace(temp, link)
        sync_folder(link.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            discard_link(temp)
        raise translated(error, link) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the file system can."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot sync folders
            raise translated(error, folder) from error
