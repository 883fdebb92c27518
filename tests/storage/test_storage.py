"""The only door to files: what it sees, links, temporary files, locks, errors."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pyarrow as pa
import pytest
from support import ROOT

from pipeline import errors, storage
from pipeline.errors import NoPermission, OutputConflict, ShardmillError, TransientError
from pipeline.storage import FileInfo, RangeReader, StagedFile

HOLD = """
import sys
from pathlib import Path
from pipeline import storage
with {context}:
    print(flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def elsewhere(context: str) -> Iterator[subprocess.Popen[bytes]]:
    """Enter a context in another process, which keeps it until it is killed."""
    command = [sys.executable, "-c", HOLD.format(context=context)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        try:
            yield process
        finally:
            process.kill()


def staging(path: Path) -> str:
    return f"storage.StagedFile(Path({str(path)!r}))"


class TestErrors:
    @pytest.mark.parametrize(
        ("numbers", "kind"),
        [
            ((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), errors.NoSpace),
            ((errno.EACCES, errno.EPERM, errno.EROFS), NoPermission),
            ((errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY), OutputConflict),
            ((errno.ENOENT,), errors.Vanished),
            ((errno.EIO, errno.ESTALE, errno.EMFILE), TransientError),
        ],
    )
    def test_what_the_system_says_is_said_in_our_words(
        self, numbers: tuple[int, ...], kind: type[ShardmillError]
    ) -> None:
        for number in numbers:
            error = storage.translated(OSError(number, os.strerror(number)), Path("a"))
            assert type(error) is kind
            assert (os.strerror(number) in error.what, error.file) == (True, "a")
            assert error.remedy

    @pytest.mark.parametrize(
        "call",
        [
            storage.stat,
            storage.sizes,
            storage.folders,
            storage.temp_files,
            storage.read_bytes,
            storage.open_log,
            storage.remove,
            storage.free_bytes,
            storage.probe_writable,
            storage.pointed,
            RangeReader,
            lambda path: storage.publish_bytes(path, b""),
            lambda path: storage.append_line(path, b""),
            lambda path: storage.point(path, "target"),
            lambda path: storage.sole_lock(path).__enter__(),
        ],
    )
    def test_every_verb_names_its_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Callable[[Path], object]
    ) -> None:
        refuse = Mock(side_effect=OSError(errno.EROFS, "injected"))
        for verb in ("open", "stat", "lstat", "scandir", "utime", "readlink", "symlink", "statvfs"):
            monkeypatch.setattr(os, verb, refuse)
        for verb in ("open", "read_bytes", "is_dir", "mkdir"):
            monkeypatch.setattr(Path, verb, refuse)
        with pytest.raises(NoPermission) as refusal:
            call(tmp_path / "file")
        assert str(refusal.value.file).startswith(str(tmp_path / "file"))


class TestLooking:
    def test_stat_knows_regular_files_only(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"abc")
        assert storage.stat(file) == FileInfo(3, file.stat().st_mtime_ns)
        for other in (tmp_path, tmp_path / "absent", file / "below"):
            assert storage.stat(other) is None

    def test_a_listing_tells_files_from_folders_and_passes_links_over(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"abc")
        for name in ("b", "a"):
            (tmp_path / name).mkdir()
        (tmp_path / "link").symlink_to("a")
        (tmp_path / "file link").symlink_to("file")
        assert storage.sizes(tmp_path) == {"file": 3}
        assert storage.folders(tmp_path) == ["a", "b"]

    def test_an_absent_folder_has_nothing_in_it(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        for folder in (tmp_path / "absent", tmp_path / "file"):
            assert storage.sizes(folder) == {}
            assert storage.folders(folder) == []
            assert storage.temp_files(folder) == []

    def test_free_space_is_that_of_the_file_system_where_it_will_be(self, tmp_path: Path) -> None:
        assert storage.free_bytes(tmp_path / "not" / "yet") > 0

    def test_a_table_that_arrow_cannot_read_is_damaged(self, tmp_path: Path) -> None:
        (tmp_path / "table").write_bytes(b"this is no table at all")
        with (
            pytest.raises(errors.OutputDamaged) as refusal,
            storage.open_arrow(tmp_path / "table") as file,
        ):
            pa.ipc.open_file(file)
        assert refusal.value.file == str(tmp_path / "table")
        with pytest.raises(errors.Vanished), storage.open_arrow(tmp_path / "absent"):
            pass


class TestReading:
    @pytest.fixture
    def content(self) -> bytes:
        return random.Random(0).randbytes(3 << 20)

    @pytest.fixture
    def file(self, tmp_path: Path, content: bytes) -> Path:
        (tmp_path / "file").write_bytes(content)
        return tmp_path / "file"

    def test_gives_the_range_that_is_asked_for(self, file: Path, content: bytes) -> None:
        with RangeReader(file) as reader:
            assert reader.info.size == len(content)
            for offset, length in ((5, 7), (0, 0), (1, 2 << 20), (0, len(content)), (9, 3)):
                reader.will_need(offset, length)
                assert reader.read(offset, length) == content[offset : offset + length]

    def test_gives_less_only_where_the_file_ends(self, file: Path, content: bytes) -> None:
        with RangeReader(file) as reader:
            assert reader.read(len(content) - 3, 10) == content[-3:]
            assert len(reader.read(len(content), 10)) == 0
            assert len(reader.read(len(content) + 5, 10)) == 0

    def test_goes_on_after_a_short_read(
        self, file: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = os.preadv
        monkeypatch.setattr(
            os, "preadv", lambda fd, views, offset: whole(fd, [views[0][:1000]], offset)
        )
        with RangeReader(file) as reader:
            assert reader.read(11, 5500) == content[11:5511]

    def test_a_read_error_names_the_file(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with RangeReader(file) as reader:
            monkeypatch.setattr(os, "preadv", Mock(side_effect=OSError(errno.EIO, "injected")))
            with pytest.raises(TransientError) as refusal:
                reader.read(0, 1)
        assert refusal.value.file == str(file)


class TestLinks:
    def test_a_link_is_made_and_moved(self, tmp_path: Path) -> None:
        for target in ("a", "b"):
            storage.point(tmp_path / "new" / "current", target)
            assert storage.pointed(tmp_path / "new" / "current") == target
        assert os.listdir(tmp_path / "new") == ["current"]

    def test_what_is_no_link_points_nowhere_and_is_not_replaced(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_bytes(b"precious")
        (tmp_path / "folder").mkdir()
        for name in ("file", "folder"):
            assert storage.pointed(tmp_path / name) is None
            with pytest.raises(OutputConflict, match="where a link should be"):
                storage.point(tmp_path / name, "a")
        assert storage.pointed(tmp_path / "absent") is None
        assert storage.pointed(tmp_path / "file" / "below") is None
        assert sorted(os.listdir(tmp_path)) == ["file", "folder"]

    def test_a_failure_leaves_the_old_link(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        storage.point(tmp_path / "current", "a")
        monkeypatch.setattr(os, "replace", Mock(side_effect=OSError(errno.EIO, "injected")))
        with pytest.raises(TransientError):
            storage.point(tmp_path / "current", "b")
        assert os.listdir(tmp_path) == ["current"]
        assert storage.pointed(tmp_path / "current") == "a"


class TestTemporaryFiles:
    def test_of_a_living_owner_are_told_from_those_of_a_killed_one(self, tmp_path: Path) -> None:
        with elsewhere(staging(tmp_path / "00000.json")) as process:
            (temp,) = storage.temp_files(tmp_path)
            assert (temp.pid, temp.size, temp.owner_gone) == (process.pid, 0, False)
            process.kill()
            process.wait()
            (temp,) = storage.temp_files(tmp_path)
            assert temp.owner_gone
        storage.remove(temp.path)
        assert storage.temp_files(tmp_path) == []

    def test_of_another_host_are_never_taken_for_left(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket, "gethostname", lambda: "node-7.example.org")
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
        code = f"import os, signal; os.replace = lambda *_: {kill}; {HOLD.partition('with')[0]}"
        code += f"storage.point(Path({str(tmp_path / 'current')!r}), 'a')"
        run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
        assert run.returncode == -signal.SIGKILL
        assert [temp.owner_gone for temp in storage.temp_files(tmp_path)] == [True]

    def test_are_not_what_only_looks_alike(self, tmp_path: Path) -> None:
        for name in (".file.tmp", "file.host-1-01234567.tmp", ".a.host-1-0123456g.tmp", ".b"):
            (tmp_path / name).touch()
        assert storage.temp_files(tmp_path) == []


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

    def test_who_shares_waits_for_who_is_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "run.lock"
        with elsewhere(f"storage.sole_lock(Path({str(path)!r}))") as process:
            threading.Timer(0.2, process.kill).start()
            with storage.shared_lock(path):
                assert process.wait(timeout=10) == -signal.SIGKILL
