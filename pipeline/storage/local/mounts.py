"""File systems that folders lie on: which of them are one, and which are memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pipeline.storage.local.listing import existing
from pipeline.storage.local.oserrors import translate_oserrors

_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs", "devtmpfs"})
_TABLE: Final = Path("/proc/self/mountinfo")
_DEVICE: Final = 2  # the field of a line that has its number
_BEHIND: Final = " - "  # what stands before the type of the file system


def on_one_file_system(one: Path, other: Path) -> bool:
    """Whether two folders, which may be absent, lie on one file system."""
    return _device(one) == _device(other)


def is_in_memory(folder: Path) -> bool:
    """Whether a folder, which may be absent, lies in memory; false where that is not known."""
    try:
        lines = _TABLE.read_text(errors="replace").splitlines()
    except OSError:
        return False
    return _kind(lines, _device(folder)) in _IN_MEMORY


def _kind(lines: list[str], device: int) -> str:
    """Return the type of the file system of a device by the table of mounts; "": unknown."""
    number = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        before, _, behind = line.partition(_BEHIND)
        fields = before.split()
        if len(fields) > _DEVICE and fields[_DEVICE] == number:
            return behind.partition(" ")[0]
    return ""


def _device(folder: Path) -> int:
    with translate_oserrors(folder):
        return os.stat(existing(folder)).st_dev
