"""File systems that folders lie on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.storage.local import mounts
from pipeline.storage.local.mounts import is_in_memory, mount_of, on_one_file_system

TABLE = """\
22 28 0:21 / /proc rw,relatime shared:12 - proc proc rw
31 28 {number} / {place} rw,nosuid shared:4 - {kind} none rw,size=1
"""


@pytest.mark.parametrize(("kind", "memory"), [("tmpfs", True), ("ramfs", True), ("ext4", False)])
def test_memory_is_told_from_disks_by_the_table_of_mounts(
    kind: str, memory: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = os.stat(tmp_path).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    table = tmp_path / "mountinfo"
    table.write_text(TABLE.format(number=number, place=tmp_path, kind=kind))
    monkeypatch.setattr(mounts, "_TABLE", table)
    assert is_in_memory(tmp_path / "absent" / "folder") is memory
    table.write_text(TABLE.format(number="999:1", place="/elsewhere", kind="tmpfs"))
    assert not is_in_memory(tmp_path)
    table.unlink()
    assert not is_in_memory(tmp_path)


def test_folders_of_one_file_system_take_room_of_one_another(tmp_path: Path) -> None:
    assert on_one_file_system(tmp_path, tmp_path / "absent")
    assert not on_one_file_system(tmp_path, Path("/proc"))


def test_where_no_device_has_the_number_it_is_the_mount_nearest_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "with blank" / "below"
    folder.mkdir(parents=True)
    point = str(folder.parent.resolve()).replace(" ", r"\040")
    lines = [
        f"{n} 1 999:{n} / {at} rw shared:1 - btrfs /dev/d{n} rw"
        for n, at in enumerate(("/", point, point))
    ]
    table = tmp_path / "mountinfo"
    table.write_text(
        "\n".join([*lines, "no line of the form", "9 1 999:9 / /elsewhere rw - ext4 /dev/x rw"])
    )
    monkeypatch.setattr(mounts, "_TABLE", table)
    mount = mount_of(folder)
    assert mount is not None
    assert (mount.point, mount.source) == (str(folder.parent.resolve()), "/dev/d2")
    root = mount_of(tmp_path)
    assert root is not None
    assert (root.point, root.type) == ("/", "btrfs")
