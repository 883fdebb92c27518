"""Lock files that killed commands have left beside their targets."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from elsewhere import elsewhere

from pipeline import storage
from pipeline.storage import Plan


def killed(target: Path) -> Path:
    """Leave the lock file of a process that was killed while it made a target."""
    with elsewhere(f"storage.target_lock(Path({str(target)!r}))") as process:
        process.kill()
        process.wait()
    return target.with_name(f".{target.name}.lock")


def planned(folder: Path) -> Plan:
    return storage.plan_files(folder, storage.left_locks(folder, folder))


def test_one_of_a_killed_process_is_left_and_goes(tmp_path: Path) -> None:
    lock = killed(tmp_path / "masks.zip")
    assert storage.left_locks(tmp_path, tmp_path) == [lock]
    outcome = storage.remove_left_locks(planned(tmp_path))
    assert [item.path for item in outcome.removed] == [lock]
    assert list(tmp_path.iterdir()) == []


def test_one_that_is_held_is_not_left(tmp_path: Path) -> None:
    with elsewhere(f"storage.target_lock(Path({str(tmp_path / 'masks.zip')!r}))"):
        assert storage.left_locks(tmp_path, tmp_path) == []


def test_one_that_is_held_by_now_stays(tmp_path: Path) -> None:
    lock = killed(tmp_path / "masks.zip")
    plan = planned(tmp_path)
    with lock.open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        outcome = storage.remove_left_locks(plan)
    assert (outcome.removed, outcome.kept) == ((), plan.items)
    assert lock.exists()


def test_one_that_is_gone_by_now_is_no_error(tmp_path: Path) -> None:
    lock = killed(tmp_path / "masks.zip")
    plan = planned(tmp_path)
    lock.unlink()
    assert storage.remove_left_locks(plan).removed == ()


@pytest.mark.parametrize("content", [b"", b"mine\n", b'{"pid": 7}\n'])
def test_a_strangers_file_of_such_a_name_stays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".mine.lock").write_bytes(content)
    assert storage.left_locks(tmp_path, tmp_path) == []


def test_links_and_files_of_two_names_stay(tmp_path: Path) -> None:
    lock = killed(tmp_path / "masks.zip")
    (tmp_path / ".link.lock").symlink_to(lock)
    os.link(lock, tmp_path / "mine")
    assert storage.left_locks(tmp_path, tmp_path) == []


def test_where_locks_exclude_nobody_none_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(tmp_path / "masks.zip")
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    assert storage.left_locks(tmp_path, tmp_path) == []


def test_an_absent_folder_has_none(tmp_path: Path) -> None:
    assert storage.left_locks(tmp_path, tmp_path / "absent") == []
