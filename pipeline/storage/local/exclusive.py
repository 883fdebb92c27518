"""Small files of which one of several writers is to win; see `pipeline.storage.exchange`."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from pipeline.errors import NoPermission, OutputDamaged, Vanished
from pipeline.storage.local import listing
from pipeline.storage.local.oserrors import translate_oserrors
from pipeline.storage.staged_file import StagedFile

_MOST: Final = 1 << 20  # bytes of a document


def exchange(path: Path, seen: bytes, content: bytes) -> bool | None:
    """Put a file in the place of what was seen there, of which b"" is nothing.

    Returns:
        Whether nobody else can have put one at the same time; None: something else was there.
    """
    with StagedFile(path) as staged:
        staged.write(content)
        if not seen and _is_made(staged.temp, path, content):
            return True
        if read(path) != seen:
            return None
        staged.rename()
        return False


def read(path: Path) -> bytes:
    """Return the content of a file, see `small_documents`; b"": there is none."""
    try:
        return _content(path)
    except Vanished:
        return b""


def small_documents(folder: Path) -> dict[str, bytes]:
    """Return the contents of the JSON documents of a folder by name, without hidden ones.

    Of one that is too long, or that this user may not read, it is some bytes that change with it.
    """
    names = listing.file_names(folder)
    found = dict[str, bytes]()
    for name in names:
        if name.endswith(".json") and name[0] != ".":
            with contextlib.suppress(Vanished):
                found[name] = _content(folder / name)
    return found


def _is_made(temp: Path, path: Path, content: bytes) -> bool:
    """Make a file where there is none; return whether it was made.

    A second name is given to one that is whole, or, on a file system without such names, it is
    made and written: if this process is killed between, an empty one stays.
    """
    try:
        os.link(temp, path)
    except FileExistsError:
        return False
    except OSError:
        with translate_oserrors(path):
            try:
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            except FileExistsError:
                return False
            try:
                os.write(fd, content)
            finally:
                os.close(fd)
    return True


def _content(path: Path) -> bytes:
    try:
        return listing.read_bytes(path, _MOST)
    except (NoPermission, OutputDamaged):
        info = listing.stat(path)
        return f"a file of {info.size} bytes, {info.stamp}".encode() if info else b""
