"""What a folder lies on: the kind of its disk, whether it can be written, whether locks exclude."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pipeline.errors import ShardmillError
from pipeline.storage.local import flocks
from pipeline.storage.local.listing import existing, free_bytes
from pipeline.storage.local.mounts import IN_MEMORY, Mount, mount_of
from pipeline.storage.local.tempnames import WRITE_PROBE
from pipeline.storage.staged_file import StagedFile

_BLOCKS: Final = Path("/sys/dev/block")
_NETWORKS: Final = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs"),
        *("afs", "9p", "virtiofs", "ocfs2", "gfs2", "pvfs2", "wekafs", "panfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "fuse.ceph"),
        *("fuse.juicefs", "fuse.mount-s3", "fuse.goofys", "fuse.davfs"),
    }
)


class DiskKind(StrEnum):
    """What a file system keeps its files on."""

    SOLID_STATE = "a solid-state disk"
    ROTATIONAL = "a rotational disk"
    NETWORK = "a network"
    MEMORY = "memory"
    UNKNOWN = "a disk of unknown kind"


@dataclass(frozen=True)
class Disk:
    """What is known of the disk of a folder.

    Attributes:
        folder: the folder, or, where it is absent, the first one above it that is there.
        file_system: the type of the file system, such as ``ext4``; "": it is not known.
        kind: what it lies on.
        free_bytes: how many may still be written there.
        refusal: why no file can be made in `folder`; None: one can, or nobody asked.
        locks_exclude: whether a lock of one process keeps others of this host out; None: that
            cannot be tried, or nobody asked.
    """

    folder: Path
    file_system: str
    kind: DiskKind
    free_bytes: int
    refusal: ShardmillError | None = None
    locks_exclude: bool | None = None


def disk_of(folder: Path, *, writing: bool) -> Disk:
    """Return what is known of the disk of a folder, which may be absent.

    Args:
        folder: the folder.
        writing: whether to try if files can be made there, and if locks exclude: two hidden files
            are made, and removed at once.

    Raises:
        ShardmillError: it cannot be looked at.
    """
    there = existing(folder)
    mount = mount_of(there)
    refusal = _refusal(there) if writing else None
    return Disk(
        folder=there,
        file_system=mount.type if mount else "",
        kind=_kind(mount),
        free_bytes=free_bytes(there),
        refusal=refusal,
        locks_exclude=flocks.exclude(there) if writing and refusal is None else None,
    )


def _refusal(folder: Path) -> ShardmillError | None:
    try:
        with StagedFile(folder / WRITE_PROBE) as staged:
            staged.write(b"x")
    except ShardmillError as error:
        return error
    return None


def _kind(mount: Mount | None) -> DiskKind:
    if mount is None:
        return DiskKind.UNKNOWN
    if mount.type in IN_MEMORY:
        return DiskKind.MEMORY
    if mount.type in _NETWORKS:
        return DiskKind.NETWORK
    rotational = _rotational(mount.number)
    if rotational is None:
        rotational = _rotational(_number_of(mount.source))
    if rotational is None:
        return DiskKind.UNKNOWN
    return DiskKind.ROTATIONAL if rotational else DiskKind.SOLID_STATE


def _rotational(number: str) -> bool | None:
    """Whether a block device, or the one that it is a part of, has platters; None: not known."""
    device = _BLOCKS / number
    for folder in (device, device / "..") if number else ():
        try:
            return (folder / "queue/rotational").read_text().strip() == "1"
        except OSError:
            continue
    return None


def _number_of(source: str) -> str:
    """Return the number of a device that is mounted by its path; "": it is none."""
    try:
        device = os.stat(source).st_rdev if source.startswith("/") else 0
    except OSError:
        return ""
    return f"{os.major(device)}:{os.minor(device)}" if device else ""
