"""One user works, another may read the output folder, and write into one folder of it.

As root the other one is nobody. Without root a second process of the same user plants the same
links and holds the same locks; that it could not open a lock file is then read off its mode.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import inprocess
import pytest
from support import on_wait

from pipeline import manifest, paths, storage
from pipeline.errors import EnvironmentRefused
from pipeline.storage.local import lockfiles

NOBODY = 65534
ROOT = os.geteuid() == 0
OLD, NEW = "aaaaaaaaaaaa", "bbbbbbbbbbbb"
_COUNTS = ("boxes", "bytes", "images", "left_out", "records", "repaired", "without_boxes")
MANIFEST = manifest.serialise({"files": [], "shards": [], "counts": dict.fromkeys(_COUNTS, 0)})
_kept_open: list[int] = []


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that everybody can reach, unlike pytest's own."""
    before = os.umask(0o022)
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    os.umask(before)
    shutil.rmtree(folder)


@pytest.fixture
def out(shared: Path) -> Path:
    """An output folder with a superseded output, whose folders of marks and of trees are shared."""
    out = shared / "out"
    for digest in (OLD, NEW):
        folder = paths.output(out, "tfrecord", "train", digest)
        storage.publish_bytes(folder / "train-00000-of-00001", bytes(100))
        storage.publish_bytes(paths.manifest(folder), MANIFEST)
    storage.point(paths.current(out, "tfrecord", "train"), NEW)
    storage.publish_bytes(paths.product_mark(out, "tree-train"), b"{}")
    for folder in (paths.shard_marks(out, ""), out / "train"):
        folder.mkdir()
        folder.chmod(0o777)
    return out


@contextlib.contextmanager
def another_user(act: Callable[[], None]) -> Iterator[int]:
    """Do something as another user, in a process that lives on until the end of the context."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if ROOT:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            act()
            os.write(writing, b"done")
        except BaseException as error:  # noqa: BLE001 - told to the test
            os.write(writing, repr(error).encode())
        signal.pause()
        os._exit(0)
    os.close(writing)
    try:
        said = os.read(reading, 4096)
        assert said == b"done", said
        yield pid
    finally:
        os.close(reading)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def hold(path: Path, flags: int = os.O_RDONLY) -> None:
    fd = os.open(path, flags, 0o644)
    fcntl.flock(fd, fcntl.LOCK_EX)
    _kept_open.append(fd)


def test_who_may_only_read_can_hold_no_lock_of_ours(out: Path) -> None:
    locks = [paths.run_lock(out), paths.sources_lock(out)]
    for lock in locks:
        with storage.shared_lock(lock):
            assert lock.stat().st_mode & 0o007 == 0
    for lock in locks if ROOT else ():
        refused = pytest.raises(AssertionError, match="Permission")
        with refused, another_user(partial(hold, lock)):
            pass
    with storage.sole_lock(locks[0]) as held:
        assert held


def test_a_lock_that_another_user_holds_is_waited_for_aloud_and_not_for_ever(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, said = paths.shard_marks(out, "") / ".o.rec.lock", list[str]()
    monkeypatch.setattr(lockfiles, "WAIT_S", 0.2)
    with (
        another_user(lambda: hold(lock, os.O_RDWR | os.O_CREAT)) as pid,
        on_wait(said.append),
        pytest.raises(EnvironmentRefused),
        storage.target_lock(lock.with_name("o.rec")),
    ):
        pass
    assert f"held by process {pid} on " in said[0]


def test_links_and_folders_that_another_user_plants_cost_nobody_a_file(
    out: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = shared / "precious"
    for name in ("00000.json", "00000.facts.arrow", "1.JPEG", "sub/thesis.tex"):
        storage.publish_bytes(precious / name, b"precious")
    host = socket.gethostname().replace(".", "_")
    temp = f"{host}-4194304-deadbeef.tmp"

    def plant() -> None:
        paths.shard_marks(out, OLD).symlink_to(precious)
        (out / "train" / f".n01440764.{temp}").symlink_to(precious)
        folder = out / "train" / f".n02084071.{temp}"
        folder.mkdir()
        (folder / "sub").symlink_to(precious)
        (folder / "1.JPEG").write_bytes(b"another user's")

    before = {path for path in precious.rglob("*") if path.is_file()}
    with another_user(plant):
        ran = inprocess.shardmill(monkeypatch, "clean", out, "--yes")
    assert ran.status == 0, ran.said
    assert {path for path in precious.rglob("*") if path.is_file()} == before
    assert (out / "train" / f".n02084071.{temp}" / "1.JPEG").exists()
    assert not paths.output(out, "tfrecord", "train", OLD).exists()
    assert paths.manifest(paths.output(out, "tfrecord", "train", NEW)).exists()
    assert f"left alone: {paths.shard_marks(out, OLD)} is a link" in ran.said


def test_who_may_only_read_is_told_what_status_cannot_know(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = paths.run_lock(out)
    with storage.shared_lock(lock):
        pass
    if ROOT:

        def ask() -> None:
            assert storage.is_locked(lock) is None

        with another_user(ask):
            pass
    refuse = PermissionError(13, "injected")

    def refused(*_: object) -> int:
        raise refuse

    monkeypatch.setattr("pipeline.storage.local.flocks.open_to_lock", refused)
    assert storage.is_locked(lock) is None
    assert storage.lock_holders(lock) == ""
