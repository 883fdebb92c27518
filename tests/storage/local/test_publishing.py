"""Publishing: a file appears under its name whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
from pathlib import Path
from unittest.mock import Mock

import pytest

from pipeline import storage
from pipeline.errors import (
    EnvironmentRefused,
    NoSpace,
    OutputConflict,
    ShardmillError,
    TransientError,
)
from pipeline.storage import StagedFile


def test_a_file_appears_whole_and_only_when_it_is_published(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with StagedFile(path) as staged:
        assert staged.write(b"abc", bytearray(b"de"), memoryview(b"f"), b"") == 6
        with staged.stream() as stream:
            stream.write(b"gh")
        assert staged.write(b"i") == 1
        assert (staged.size, path.exists()) == (9, False)
        storage.publish(staged)
        assert path.read_bytes() == b"abcdefghi"
    assert os.listdir(path.parent) == ["file"]


def test_what_is_not_published_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"before")
    with StagedFile(tmp_path / "file") as staged:
        staged.write(b"after")
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"before"


@pytest.mark.parametrize("verb", ["open", "writev", "fsync", "replace"])
@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, NoSpace), (errno.EIO, TransientError)])
def test_a_failure_at_any_step_leaves_what_was_there_before(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    number: int,
    kind: type[ShardmillError],
) -> None:
    path = tmp_path / "file"
    storage.publish_bytes(path, b"before")
    with monkeypatch.context() as patch:
        patch.setattr(os, verb, Mock(side_effect=OSError(number, "injected")))
        with pytest.raises(kind) as refusal:
            storage.publish_bytes(path, b"after")
    assert refusal.value.file == str(path)
    assert os.listdir(tmp_path) == ["file"]
    assert path.read_bytes() == b"before"


def test_a_stream_that_becomes_larger_than_is_permitted_says_so(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with StagedFile(tmp_path / "file") as staged:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        try:
            with pytest.raises(EnvironmentRefused, match="ulimit -f"), staged.stream() as stream:
                stream.write(bytes(5000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("count", range(8))
def test_a_short_write_is_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    write = os.write
    monkeypatch.setattr(os, "writev", lambda fd, buffers: write(fd, b"".join(buffers)[:count]))
    monkeypatch.setattr(os, "write", lambda fd, view: write(fd, view[:2]))
    storage.publish_bytes(tmp_path / "a", b"abcdefg")
    with StagedFile(tmp_path / "b") as staged:
        staged.write(b"ab", b"", memoryview(b"cde"), b"fg")
        storage.publish(staged)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"abcdefg"


def test_the_mark_gets_its_name_when_those_of_the_others_are_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, Path]] = []
    replace, fsync = os.replace, os.fsync

    def sync(fd: int) -> None:
        steps.append(("sync", Path(os.readlink(f"/proc/self/fd/{fd}"))))
        fsync(fd)

    def name(temp: Path, path: Path) -> None:
        steps.append(("name", path))
        replace(temp, path)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", name)
    one, two, mark = paths = [tmp_path / "one" / "a", tmp_path / "two" / "b", tmp_path / "m"]
    with contextlib.ExitStack() as stack:
        staged = [stack.enter_context(StagedFile(path)) for path in paths]
        storage.publish(*staged)
        assert steps[:3] == [("sync", file.temp) for file in staged]
    assert steps[3:7] == [("name", one), ("name", two), ("sync", one.parent), ("sync", two.parent)]
    assert steps[7:] == [("name", mark), ("sync", mark.parent)]


def test_a_group_that_fails_half_way_has_no_mark(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with contextlib.ExitStack() as stack:
        staged = [stack.enter_context(StagedFile(tmp_path / name)) for name in "abm"]
        with pytest.raises(OutputConflict):
            storage.publish(*staged)
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


def test_a_file_system_that_cannot_sync_folders_is_put_up_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", Mock(side_effect=[None, OSError(errno.EINVAL, "injected")]))
    storage.publish_bytes(tmp_path / "file", b"content")
    assert (tmp_path / "file").read_bytes() == b"content"
    failures = [None, OSError(errno.EIO, "injected")]
    monkeypatch.setattr(os, "fsync", Mock(side_effect=failures))
    with pytest.raises(TransientError):
        storage.publish_bytes(tmp_path / "file", b"content")


def test_a_file_where_a_folder_should_be_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "a", tmp_path / "file" / "b" / "c"):
        with pytest.raises(OutputConflict):
            storage.publish_bytes(path, b"")


def test_a_counter_is_replaced_and_a_log_grows(tmp_path: Path) -> None:
    for content in (b"1", b"22"):
        storage.write_unsynced(tmp_path / "counter", content)
        storage.append_line(tmp_path / "logs" / "log", content)
    assert (tmp_path / "counter").read_bytes() == b"22"
    assert (tmp_path / "logs" / "log").read_bytes() == b"1\n22\n"


def test_a_probe_makes_the_folder_and_leaves_it_empty(tmp_path: Path) -> None:
    storage.probe_writable(tmp_path / "new")
    assert os.listdir(tmp_path / "new") == []


def test_removing_knows_files_links_and_empty_folders(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    for name in ("link", "file/below", "file", "file", "folder", "absent"):
        storage.remove(tmp_path, tmp_path / name)
    assert os.listdir(tmp_path) == []
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(OutputConflict):
        storage.remove(tmp_path, tmp_path / "full")
