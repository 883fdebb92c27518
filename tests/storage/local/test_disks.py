"""What a folder lies on."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.storage.local import disks, flocks
from pipeline.storage.local.disks import DiskKind, disk_of
from pipeline.storage.local.mounts import Mount


def lies_on(patch: pytest.MonkeyPatch, mount: Mount | None) -> None:
    patch.setattr(disks, "mount_of", lambda _folder: mount)


@pytest.mark.parametrize(
    ("file_system", "kind"),
    [("tmpfs", DiskKind.MEMORY), ("nfs4", DiskKind.NETWORK), ("fuse.other", DiskKind.UNKNOWN)],
)
def test_the_type_of_a_file_system_says_what_it_lies_on(
    file_system: str, kind: DiskKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lies_on(monkeypatch, Mount("0:99", "/", file_system, "none"))
    disk = disk_of(tmp_path / "absent", writing=False)
    assert (disk.folder, disk.file_system, disk.kind) == (tmp_path, file_system, kind)
    assert disk.free_bytes > 0
    lies_on(monkeypatch, None)
    assert disk_of(tmp_path, writing=False).kind is DiskKind.UNKNOWN


@pytest.mark.parametrize(
    ("told", "kind"), [("0\n", DiskKind.SOLID_STATE), ("1\n", DiskKind.ROTATIONAL)]
)
@pytest.mark.parametrize("folder", ["8:1/queue", "queue"], ids=["of a disk", "of a partition"])
def test_the_kernel_says_whether_a_disk_rotates(
    told: str, kind: DiskKind, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "8:1").mkdir()
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "rotational").write_text(told)
    monkeypatch.setattr(disks, "_BLOCKS", tmp_path)
    lies_on(monkeypatch, Mount("8:1", "/", "ext4", "/dev/absent"))
    assert disk_of(tmp_path, writing=False).kind is kind


def test_a_folder_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    disk = disk_of(tmp_path / "absent" / "folder", writing=True)
    assert (disk.refusal, disk.locks_exclude) == (None, True)
    assert not list(tmp_path.iterdir())
    asked = disk_of(tmp_path, writing=False)
    assert (asked.refusal, asked.locks_exclude) == (None, None)


def test_locks_that_exclude_nobody_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flocks, "take", lambda _fd: flocks.Lock.FREE)
    assert disk_of(tmp_path, writing=True).locks_exclude is False


def test_where_nothing_can_be_written_locks_are_not_tried(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    disk = disk_of(tmp_path / "file", writing=True)
    assert disk.refusal is not None
    assert disk.locks_exclude is None
