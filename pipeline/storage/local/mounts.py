"""File systems that folders lie on: which of them are one, of which type, and which are memory."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline.storage.local.listing import existing
from pipeline.storage.local.oserrors import translate_oserrors

IN_MEMORY: Final = frozenset({"tmpfs", "ramfs", "devtmpfs"})
"""Types of file systems whose files are lost when the machine goes down."""
_TABLE: Final = Path("/proc/self/mountinfo")
_DEVICE: Final = 2  # the field of a line that has its number
_POINT: Final = 4  # the field that has where it is mounted
_BEHIND: Final = " - "  # what stands before the type and the source of the file system
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")  # a blank, tab, line feed or backslash of a path


@dataclass(frozen=True)
class Mount:
    """A file system that is mounted.

    Attributes:
        number: of its device, such as ``8:1``.
        point: where it is mounted.
        type: such as ``ext4`` or ``nfs4``.
        source: what is mounted, such as ``/dev/sda1`` or ``server:/export``.
    """

    number: str
    point: str
    type: str
    source: str


def on_one_file_system(one: Path, other: Path) -> bool:
    """Whether two folders, which may be absent, lie on one file system."""
    return _device(one) == _device(other)


def is_in_memory(folder: Path) -> bool:
    """Whether a folder, which may be absent, lies in memory; false where that is not known."""
    mount = mount_of(folder)
    return mount is not None and mount.type in IN_MEMORY


def mount_of(folder: Path) -> Mount | None:
    """Return the file system that a folder, which may be absent, lies on; None: it is not known.

    Some file systems number their files by another device than their mount, such as btrfs: then it
    is the mount nearest above the folder.
    """
    try:
        lines = _TABLE.read_text(errors="replace").splitlines()
    except OSError:
        return None
    mounts = [mount for line in lines if (mount := _parsed(line)) is not None]
    device = _device(folder)
    number = f"{os.major(device)}:{os.minor(device)}"
    numbered = next((mount for mount in mounts if mount.number == number), None)
    return numbered or _nearest(mounts, os.path.realpath(folder))


def _nearest(mounts: Sequence[Mount], path: str) -> Mount | None:
    """Return the last mount of those whose point has the longest path at or above another path."""
    above = [mount for mount in mounts if f"{path}/".startswith(f"{mount.point.rstrip('/')}/")]
    return max(reversed(above), key=lambda mount: len(mount.point), default=None)


def _parsed(line: str) -> Mount | None:
    """Return what a line of the table of mounts says; None: it is not of the known form."""
    before, _, behind = line.partition(_BEHIND)
    fields, described = before.split(), behind.split(" ")
    if len(fields) <= _POINT or len(described) < 2:  # noqa: PLR2004 - a type and a source
        return None
    point = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[_POINT])
    return Mount(fields[_DEVICE], point, described[0], described[1])


def _device(folder: Path) -> int:
    with translate_oserrors(folder):
        return os.stat(existing(folder)).st_dev
