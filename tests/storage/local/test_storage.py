"""The only door to files: what it sees, links, temporary files, locks, errors."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pyarrow as pa
import pytest

from pipeline import errors, storage
from pipeline.errors import NoPermission, OutputConflict, ShardmillError, TransientError
from pipeline.storage import FileInfo, RangeReader


class TestErrors:
    @pytest.mark.parametrize(
        ("numbers", "kind"),
        [
            ((errno.ENOSPC, errno.EDQUOT), errors.NoSpace),
            ((errno.EFBIG,), errors.EnvironmentRefused),
            ((errno.EACCES, errno.EPERM, errno.EROFS), NoPermission),
            ((errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY), OutputConflict),
            ((errno.ENOENT,), errors.Vanished),
            ((errno.ENAMETOOLONG,), errors.NameTooLong),
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
        ("number", "remedy"),
        [
            (errno.EMFILE, "ulimit -n"),
            (errno.ENFILE, "ulimit -n"),
            (errno.ENOMEM, "memory"),
            (errno.EFBIG, "ulimit -f"),
            (errno.EIO, "check the disk"),
        ],
    )
    def test_only_a_disk_s_fault_is_said_to_be_one(self, number: int, remedy: str) -> None:
        error = storage.translated(OSError(number, os.strerror(number)), Path("a"))
        assert remedy in str(error.remedy)
        assert ("disk" in str(error.remedy)) == (number == errno.EIO)

    @pytest.mark.parametrize("where", ["link", "link/below/it"])
    def test_a_link_to_nothing_is_named(self, tmp_path: Path, where: str) -> None:
        (tmp_path / "link").symlink_to("gone")
        with pytest.raises(OutputConflict, match="a link leads nowhere") as refusal:
            storage.probe_writable(tmp_path / where)
        assert refusal.value.file == str(tmp_path / "link")
        assert "gone" in str(refusal.value.found)
        (tmp_path / "gone").mkdir()
        storage.probe_writable(tmp_path / where)

    @pytest.mark.parametrize(
        "call",
        [
            storage.stat,
            storage.sizes,
            storage.folders,
            storage.temp_files,
            storage.read_bytes,
            storage.open_log,
            lambda path: storage.remove(path.parent, path),
            lambda path: storage.plan_files(path.parent, [path]),
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
        assert storage.stat(file) == FileInfo(3, str(file.stat().st_mtime_ns))
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
        assert (storage.free_bytes(tmp_path / "not" / "yet") or 0) > 0

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
