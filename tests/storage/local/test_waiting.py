"""Lock files: who may open them, what may stand there, and that every wait is said and ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from elsewhere import NO_LOCKS, elsewhere
from support import on_wait

from pipeline import storage
from pipeline.errors import EnvironmentRefused, OutputConflict
from pipeline.storage.local import flocks, holders, lockfiles, owner

Lock = Callable[[Path], AbstractContextManager[object]]
WAITING: list[Lock] = [
    storage.shared_lock,
    storage.wait_for_lock,
    lambda path: storage.target_lock(path.with_name("o.rec")),
]
HOLDERS = ("sole_lock", "wait_for_lock", "target_lock")


def name(index: int) -> str:
    return "o.rec" if HOLDERS[index] == "target_lock" else "run.lock"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_lock_file_is_for_its_owner_and_group(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with storage.sole_lock(tmp_path / "run.lock") as held:
            assert held
    finally:
        os.umask(before)
    assert mode(tmp_path / "run.lock") == 0o660 & ~umask


def test_one_of_an_earlier_version_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    path.touch()
    path.chmod(0o666)
    with storage.shared_lock(path):
        assert mode(path) == 0o660


def link(path: Path, other: Path) -> None:
    path.symlink_to(other)


def second_name(path: Path, other: Path) -> None:
    os.link(other, path)


def pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def folder(path: Path, _: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("plant", [link, second_name, pipe, folder])
@pytest.mark.parametrize("lock", WAITING)
def test_what_else_stands_there_is_refused_and_not_written(
    tmp_path: Path, lock: Lock, plant: Callable[[Path, Path], None]
) -> None:
    other = tmp_path / "mynotes.txt"
    other.write_text("precious")
    other.chmod(0o644)
    for path in (tmp_path / "run.lock", tmp_path / ".o.rec.lock"):
        plant(path, other)
        if plant is second_name and path.name == "run.lock":
            os.link(other, tmp_path / "third")
    with pytest.raises(OutputConflict) as refusal, lock(tmp_path / "run.lock"):
        pass
    assert refusal.value.remedy
    if plant is link:
        with pytest.raises(OutputConflict, match="where a lock file should be"):
            storage.is_locked(tmp_path / "run.lock")
    assert (other.read_text(), mode(other)) == ("precious", 0o644)


def test_nobody_else_may_lock_what_tells_whether_locks_exclude(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, modes = flocks.take, list[int]()

    def note(fd: int) -> flocks.Lock:
        modes.append(os.fstat(fd).st_mode & 0o777)
        return take(fd)

    monkeypatch.setattr(flocks, "take", note)
    assert flocks.exclude(tmp_path)
    assert flocks.exclude(tmp_path / "new", make=True)
    assert set(modes) == {0o600}


def test_a_file_with_other_content_is_locked_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "run.lock").write_text("precious")
    with storage.sole_lock(tmp_path / "run.lock") as held:
        assert held
    assert (tmp_path / "run.lock").read_text() == "precious"


# Where the file system's locks exclude nobody, only claims on targets do.
@pytest.mark.parametrize(("index", "before"), [(0, ""), (1, ""), (2, ""), (2, NO_LOCKS)])
def test_a_wait_is_said_at_once_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: int, before: str
) -> None:
    if before:
        monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    monkeypatch.setattr(lockfiles, "WAIT_S", 0.3)
    path, said = tmp_path / name(index), list[str]()
    with (
        elsewhere(f"storage.{HOLDERS[index]}(Path({str(path)!r}))", before) as process,
        on_wait(said.append),
        pytest.raises(EnvironmentRefused, match=r"held this lock for 0\.3 seconds") as refusal,
        WAITING[index](tmp_path / "run.lock"),
    ):
        pass
    who = f"process {process.pid} on {owner.host()}"
    assert len(said) == 1
    assert f"held by {who}" in said[0]
    assert "this ends after 0.3 seconds" in said[0]
    assert who in str(refusal.value.found)
    assert refusal.value.exit_status == 1


@pytest.mark.parametrize("index", range(2))
def test_where_the_kernel_does_not_say_the_holder_s_own_record_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: int
) -> None:
    monkeypatch.setattr(holders, "_LOCKS", tmp_path / "absent")
    path = tmp_path / name(index)
    with elsewhere(f"storage.{HOLDERS[index]}(Path({str(path)!r}))") as process:
        assert storage.is_locked(path)
        found = storage.lock_holders(path)
        assert found.startswith(f"process {process.pid} on {owner.host()} (")
        process.kill()
        process.wait()
        assert storage.lock_holders(path) == ""


@pytest.mark.parametrize(
    "content",
    [b"", b"[" * 2000, b'{"command": 3}', b'{"command": "x\\n\\u001b[2J", "host": "h", "pid": 1}'],
)
def test_a_record_of_another_is_text_and_nothing_more(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.lock").write_bytes(content)
    found = storage.lock_holders(tmp_path / "run.lock")
    assert found.isprintable()
    assert bool(found) == (b'"host"' in content)
