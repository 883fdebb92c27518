"""Locks between commands, also where those of the file system exclude nobody."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest
from elsewhere import NO_LOCKS, elsewhere
from support import on_wait

from pipeline import storage
from pipeline.errors import OutputConflict
from pipeline.storage.local import flocks, lockfiles, owner

Lock = contextlib.AbstractContextManager[bool | None]


class TestLocks:
    def test_many_may_share_and_one_may_exclude(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "run.lock"
        with elsewhere(f"storage.shared_lock(Path({str(path)!r}))") as process:
            with storage.shared_lock(path), storage.sole_lock(path) as held:
                assert not held
            with storage.sole_lock(path) as held:
                assert not held
            process.kill()
            process.wait()
            with storage.sole_lock(path) as held:
                assert held

    def test_a_sole_lock_keeps_everybody_out(self, tmp_path: Path) -> None:
        path = tmp_path / "run.lock"
        with (
            elsewhere(f"storage.sole_lock(Path({str(path)!r}))"),
            storage.sole_lock(path) as held,
        ):
            assert not held

    def test_whether_one_is_held_is_asked_without_writing(self, tmp_path: Path) -> None:
        path = tmp_path / "lock"
        assert not storage.is_locked(path)
        assert list(tmp_path.iterdir()) == []
        with elsewhere(f"storage.shared_lock(Path({str(path)!r}))"):
            assert storage.is_locked(path)
        assert not storage.is_locked(path)

    def test_a_sole_lock_can_be_shared_once_it_is_held(self, tmp_path: Path) -> None:
        path = tmp_path / "run.lock"
        with elsewhere(f"storage.sole_lock(Path({str(path)!r}), then_share=True)"):
            with storage.shared_lock(path):
                pass
            with storage.sole_lock(path, then_share=True) as held:
                assert not held

    @pytest.mark.parametrize("lock", [storage.shared_lock, storage.sole_lock])
    def test_one_whose_file_its_last_holder_has_removed_is_taken_on_the_new_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: Callable[[Path], Lock]
    ) -> None:
        path, flock, removed = tmp_path / "lock", fcntl.flock, list[int]()

        def removed_before(fd: int, operation: int) -> None:
            if not removed and path.exists() and os.path.samestat(os.fstat(fd), path.stat()):
                path.unlink()
                removed.append(fd)
            flock(fd, operation)

        monkeypatch.setattr(fcntl, "flock", removed_before)
        with lock(path):
            assert removed
            assert storage.is_locked(path)

    @pytest.mark.parametrize(
        "lock",
        [storage.shared_lock, storage.sole_lock, storage.wait_for_lock, storage.target_lock],
    )
    def test_one_is_taken_once_where_each_look_finds_another_inode(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: Callable[[Path], Lock]
    ) -> None:
        monkeypatch.setattr(os.path, "samestat", lambda *_: False)
        monkeypatch.setattr(lockfiles, "WAIT_S", 0.0)
        before = len(list(Path("/dev/fd").iterdir()))
        with lock(tmp_path / "lock") as held:
            assert held is not False
            assert len(list(Path("/dev/fd").iterdir())) <= before + 2

    def test_one_whose_file_another_host_has_removed_is_taken_on_the_new_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Over NFS there is nothing to be had of such a file but an error."""
        gone = OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        monkeypatch.setattr(os.path, "samestat", Mock(side_effect=[gone, True]))
        with storage.shared_lock(tmp_path / "lock"):
            assert storage.is_locked(tmp_path / "lock")

    def test_who_shares_waits_for_who_is_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "run.lock"
        with elsewhere(f"storage.sole_lock(Path({str(path)!r}))") as process:
            threading.Timer(0.2, process.kill).start()
            with storage.shared_lock(path):
                assert process.wait(timeout=10) == -signal.SIGKILL

    def test_where_locks_exclude_nobody_commands_see_each_other_by_claims(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(fcntl, "flock", lambda *_: None)
        path = tmp_path / "run.lock"
        with elsewhere(f"storage.shared_lock(Path({str(path)!r}), claim=True)", NO_LOCKS):
            assert storage.is_locked(path)
            with storage.shared_lock(path, claim=True), storage.sole_lock(path) as held:
                assert not held
        assert not storage.is_locked(path)
        with storage.sole_lock(path, then_share=True) as held:
            assert held
            with storage.shared_lock(path, claim=True), storage.sole_lock(path) as second:
                assert not second
        with storage.sole_lock(path) as held:
            assert held

    def test_whether_locks_exclude_is_found_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert flocks.exclude(tmp_path)
        monkeypatch.setattr(fcntl, "flock", lambda *_: None)
        assert not flocks.exclude(tmp_path)
        monkeypatch.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.ENOLCK, "injected")))
        assert not flocks.exclude(tmp_path)
        assert not flocks.exclude(tmp_path / "absent")
        assert list(tmp_path.iterdir()) == []


@pytest.fixture(params=["locks", "claims"])
def before(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Code for another process, on a file system whose locks exclude, or nobody."""
    if request.param == "locks":
        return ""
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    return NO_LOCKS


class TestATarget:
    """The lock over a set of files that are published together."""

    def test_of_another_process_is_refused_until_that_is_dead(
        self, tmp_path: Path, before: str
    ) -> None:
        target = tmp_path / "new" / "o.rec"
        with elsewhere(f"storage.target_lock(Path({str(target)!r}))", before) as process:
            with (
                pytest.raises(OutputConflict, match="another command is making this"),
                storage.target_lock(target, wait=False),
            ):
                pass
            with storage.target_lock(target.with_name("other.rec"), wait=False):
                pass
            process.kill()
            process.wait()
            with storage.target_lock(target, wait=False):
                pass

    def test_is_waited_for(self, tmp_path: Path, before: str) -> None:
        target, waits = tmp_path / "o.rec", list[str]()
        with elsewhere(f"storage.target_lock(Path({str(target)!r}))", before) as process:
            threading.Timer(0.2, process.kill).start()
            with on_wait(waits.append), storage.target_lock(target):
                assert process.wait(timeout=10) == -signal.SIGKILL
        assert len(waits) == 1
        assert f"process {process.pid} on {owner.host()}" in waits[0]

    @pytest.mark.usefixtures("before")
    def test_leaves_nothing_behind(self, tmp_path: Path) -> None:
        with storage.target_lock(tmp_path / "o.rec"):
            pass
        with pytest.raises(ZeroDivisionError), storage.target_lock(tmp_path / "o.rec"):
            raise ZeroDivisionError
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.usefixtures("before")
    def test_is_one_by_whatever_link_and_long_names_have_one_too(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("o.rec")
        long = [tmp_path / ("x" * 200 + end) for end in ("1.rec", "2.rec")]
        with (
            storage.target_lock(tmp_path / "o.rec"),
            storage.target_lock(long[0]),
            storage.target_lock(long[1], wait=False),
        ):
            for target in (tmp_path / "link", long[0]):
                with pytest.raises(OutputConflict), storage.target_lock(target, wait=False):
                    pass

    @pytest.mark.usefixtures("before")
    def test_many_threads_hold_it_in_turn(self, tmp_path: Path) -> None:
        inside, most = [], []

        def work() -> None:
            for _ in range(5):
                with storage.target_lock(tmp_path / "o.rec"):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most == [1] * 20
        assert list(tmp_path.iterdir()) == []

    def test_children_that_live_on_do_not_keep_it(self, tmp_path: Path) -> None:
        with storage.target_lock(tmp_path / "o.rec"):
            child = os.fork()
            if child == 0:
                signal.pause()
        with storage.target_lock(tmp_path / "o.rec", wait=False):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


class TestFoldersOfTargets:
    def test_an_error_leaves_no_folder_that_was_made_for_the_target(self, tmp_path: Path) -> None:
        (tmp_path / "old").mkdir()
        with pytest.raises(KeyError), storage.target_lock(tmp_path / "old" / "a" / "b" / "x.rec"):
            raise KeyError
        assert list((tmp_path / "old").iterdir()) == []
        with pytest.raises(KeyError), storage.target_lock(tmp_path / "old" / "x.rec"):
            raise KeyError
        assert (tmp_path / "old").is_dir()

    def test_what_somebody_has_put_there_stays(self, tmp_path: Path) -> None:
        other = tmp_path / "new" / "mine"
        with contextlib.suppress(KeyError), storage.target_lock(tmp_path / "new" / "a" / "x.rec"):
            other.touch()
            raise KeyError
        assert other.exists()
        assert not (tmp_path / "new" / "a").exists()

    def test_a_folder_that_is_removed_meanwhile_is_made_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before, removed = os.open, list[Path]()

        def removing(path: Path, *more: int) -> int:
            if len(removed) < 2:
                os.rmdir(Path(path).parent)
                removed.append(path)
            return before(path, *more)

        monkeypatch.setattr(os, "open", removing)
        with storage.target_lock(tmp_path / "new" / "x.rec"):
            assert len(removed) == 2
            assert flocks.exclude(tmp_path / "new")
