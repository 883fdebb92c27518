"""Temporary files: whose they are, whether their owners are gone, and their removal."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from elsewhere import HOLD, NO_LOCKS, dead, elsewhere, staging
from support import ROOT, swept

from pipeline import storage
from pipeline.storage import StagedFile, StagedFolder, TempFile
from pipeline.storage.local import owner
from pipeline.storage.local.owner import Owner

IMPORTS = HOLD.partition("{before}")[0]


class TestTemporaryFiles:
    def test_of_a_living_owner_are_told_from_those_of_a_killed_one(self, tmp_path: Path) -> None:
        with elsewhere(staging(tmp_path / "00000.json")) as process:
            (temp,) = storage.temp_files(tmp_path)
            assert (temp.pid, temp.size, temp.owner_gone) == (process.pid, 0, False)
            process.kill()
            process.wait()
            (temp,) = storage.temp_files(tmp_path)
            assert temp.owner_gone
        storage.remove(tmp_path, temp.path)
        assert storage.temp_files(tmp_path) == []

    def test_a_host_is_called_what_its_variable_says(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(owner.HOST_VARIABLE, "node-7.rack/3 " + 100 * "x")
        with StagedFile(tmp_path / "file") as staged:
            (temp,) = storage.temp_files(tmp_path)
            assert (temp.path, temp.pid) == (staged.temp, os.getpid())
            assert temp.host == ("node-7_rack_3_" + 100 * "x")[:63]
            assert not temp.owner_gone
            monkeypatch.delenv(owner.HOST_VARIABLE)
            (temp,) = storage.temp_files(tmp_path)
            assert (temp.owner_gone, temp.is_elsewhere) == (False, True)

    def test_of_another_host_are_never_taken_for_left(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket, "gethostname", lambda: "node-7.example.org")
        monkeypatch.setattr(Owner, "runs", lambda _: False)
        with StagedFile(tmp_path / "a.b") as staged:
            name = staged.temp.name
        (tmp_path / name).touch()
        assert [temp.owner_gone for temp in storage.temp_files(tmp_path)] == [True]
        monkeypatch.setattr(socket, "gethostname", lambda: "node-8.example.org")
        assert [temp.owner_gone for temp in storage.temp_files(tmp_path)] == [False]

    def test_stay_their_owners_while_somebody_looks_at_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock = fcntl.flock

        def look_first(fd: int, operation: int) -> None:
            monkeypatch.setattr(fcntl, "flock", lock)
            (temp,) = tmp_path.iterdir()
            looking = os.open(temp, os.O_RDONLY)
            lock(looking, fcntl.LOCK_EX)
            release = threading.Timer(0.05, os.close, [looking])
            release.start()
            try:
                lock(fd, operation)
            finally:
                release.join()

        monkeypatch.setattr(fcntl, "flock", look_first)
        with StagedFile(tmp_path / "file"):
            assert [temp.owner_gone for temp in storage.temp_files(tmp_path)] == [False]

    def test_a_link_that_was_never_set_is_one_of_them(self, tmp_path: Path) -> None:
        kill = "os.kill(os.getpid(), signal.SIGKILL)"
        code = f"import os, signal; os.replace = lambda *_: {kill}; {IMPORTS}"
        code += f"storage.point(Path({str(tmp_path / 'current')!r}), 'a')"
        run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
        assert run.returncode == -signal.SIGKILL
        assert [temp.owner_gone for temp in storage.temp_files(tmp_path)] == [True]

    def test_are_not_what_only_looks_alike(self, tmp_path: Path) -> None:
        for name in (".file.tmp", "file.host-1-01234567.tmp", ".a.host-1-0123456g.tmp", ".b"):
            (tmp_path / name).touch()
        assert storage.temp_files(tmp_path) == []


def renamed(temp: Path, **changes: object) -> Path:
    """Give a temporary file the name that it has of another owner."""
    mine = owner.current()
    tail = [
        str(changes.get(part, getattr(mine, part))) for part in ("host", "pid", "place", "birth")
    ]
    return temp.rename(temp.with_name(f".file.{'-'.join(tail)}-01234567.tmp"))


class TestOwners:
    """Whoever made a temporary file is gone when the process is, and not before."""

    @pytest.fixture
    def temp(self, tmp_path: Path) -> Path:
        path = tmp_path / ".file"
        path.touch()
        return path

    def gone(self, path: Path) -> bool:
        (temp,) = storage.temp_files(path.parent)
        return temp.owner_gone

    def test_a_process_that_runs_is_not_gone_though_nothing_is_locked(self, temp: Path) -> None:
        assert not self.gone(renamed(temp))

    def test_a_process_that_has_ended_is(self, temp: Path) -> None:
        assert self.gone(renamed(temp, pid=dead()))

    def test_another_process_of_the_same_number_is_another_process(self, temp: Path) -> None:
        assert self.gone(renamed(temp, birth="00000000"))

    def test_one_that_nobody_has_waited_for_yet_is_gone(self, temp: Path) -> None:
        child = os.fork()
        if child == 0:
            os._exit(0)
        while (status := owner._status(child)) and status[0] != b"Z":
            pass
        assert status is not None
        assert self.gone(renamed(temp, pid=child, birth=owner._birth(status[1])))
        os.waitpid(child, 0)

    def test_a_forked_process_is_another(self) -> None:
        mine = owner.current()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            forked = owner.current()
            right = (forked.pid, forked.birth) == (os.getpid(), owner._own_birth.__wrapped__())
            os.write(writing, forked.birth.encode() if right else b"?")
            os._exit(0)
        os.waitpid(child, 0)
        birth = os.read(reading, 64).decode()
        os.close(reading)
        os.close(writing)
        assert len(birth) == len(mine.birth)
        assert birth != mine.birth

    def test_its_children_may_still_hold_the_lock(self, temp: Path) -> None:
        path = renamed(temp, pid=dead())
        with path.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert not self.gone(path)
        assert self.gone(path)

    @pytest.mark.parametrize("excludes", [True, False])
    def test_in_another_container_of_the_same_name_only_locks_tell(
        self, temp: Path, monkeypatch: pytest.MonkeyPatch, excludes: bool
    ) -> None:
        path = renamed(temp, pid=dead(), place="00000000")
        with path.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            assert not self.gone(path)
        if not excludes:
            monkeypatch.setattr(fcntl, "flock", lambda *_: None)
        assert self.gone(path) == excludes
        assert list(temp.parent.iterdir()) == [path]

    def test_names_of_earlier_versions_are_known(self, temp: Path) -> None:
        name = f".file.{owner.host()}-{{}}-01234567.tmp"
        path = temp.rename(temp.with_name(name.format(dead())))
        assert self.gone(path)
        assert not self.gone(path.rename(path.with_name(name.format(os.getpid()))))

    def test_a_long_name_is_cut(self, tmp_path: Path) -> None:
        with StagedFile(tmp_path / ("ü" * 120)) as staged:
            assert len(os.fsencode(staged.temp.name)) <= 255
            assert [temp.path for temp in storage.temp_files(tmp_path)] == [staged.temp]
            storage.publish(staged)


@pytest.mark.parametrize("stage", [StagedFile, StagedFolder])
def test_a_sweep_between_making_and_locking_costs_the_owner_nothing(
    stage: type[StagedFile | StagedFolder], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, seen = fcntl.flock, []

    def sweep_first(fd: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        (path,) = tmp_path.iterdir()
        seen.append(path)
        swept(TempFile(path, 0, "host", 1, owner_gone=True))
        assert not path.exists()
        lock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", sweep_first)
    with stage(tmp_path / "made") as staged:
        assert seen
        assert staged.temp.exists()
        assert [temp.owner_gone for temp in storage.temp_files(tmp_path)] == [False]


@pytest.mark.parametrize("stage", [StagedFile, StagedFolder])
def test_what_is_locked_by_now_is_not_removed(
    stage: type[StagedFile | StagedFolder], tmp_path: Path
) -> None:
    with stage(tmp_path / "made") as staged:
        swept(TempFile(staged.temp, 0, "host", 1, owner_gone=True))
        assert staged.temp.exists()


def test_where_locks_exclude_nobody_what_lives_is_kept_and_what_is_dead_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    with elsewhere(staging(tmp_path / "file"), NO_LOCKS) as process:
        (temp,) = storage.temp_files(tmp_path)
        assert not temp.owner_gone
        swept(temp)
        assert temp.path.exists()
        process.kill()
        process.wait()
        (temp,) = storage.temp_files(tmp_path)
        assert temp.owner_gone
        swept(temp)
    assert list(tmp_path.iterdir()) == []


def test_locks_are_asked_for_on_writable_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, modes = fcntl.flock, []

    def note(fd: int, operation: int) -> None:
        modes.append(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE)
        lock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", note)
    path = tmp_path / f".file.{owner.host()}-{dead()}-01234567.tmp"
    path.touch()
    with StagedFile(tmp_path / "made"), storage.shared_lock(tmp_path / "lock"):
        assert storage.is_locked(tmp_path / "lock")
    for temp in storage.temp_files(tmp_path):
        swept(temp)
    assert len(modes) > 4
    assert os.O_RDONLY not in modes
