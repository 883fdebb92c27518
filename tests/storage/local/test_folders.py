"""Staged folders: many small files appear under their folder's name together, or none does."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
from elsewhere import dead
from support import swept

from pipeline import storage
from pipeline.errors import (
    InputRefused,
    NoPermission,
    NoSpace,
    OutputConflict,
    TransientError,
    Vanished,
)
from pipeline.storage import StagedFolder, TempFile

MODULE = sys.modules[StagedFolder.__module__]  # the package has a function of its name
UNSAFE = ("", ".", "..", "a/b", "/etc", "a\0b", "ä" * 128, "x" * 300, "\udfff")


def content(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in sorted(os.listdir(folder))}


def orphan(path: Path, files: dict[str, bytes]) -> TempFile:
    """Leave a temporary folder behind as a killed process does."""
    host = socket.gethostname().replace(".", "_")
    temp = path.with_name(f".{path.name}.{host}-{dead()}-01234567.tmp")
    temp.mkdir(parents=True)
    for name, data in files.items():
        (temp / name).write_bytes(data)
    (found,) = (one for one in storage.temp_files(path.parent) if one.path == temp)
    return found


def publish(path: Path, files: dict[str, bytes]) -> None:
    with StagedFolder(path) as staged:
        for name, data in files.items():
            staged.write(name, data)
        storage.publish_folders(staged)


def test_a_folder_appears_whole_and_only_when_it_is_published(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder"
    with StagedFolder(path) as staged:
        staged.write("a", b"one")
        staged.write("b", memoryview(b"two"))
        staged.write("empty", b"")
        assert not path.exists()
        storage.publish_folders(staged)
        assert content(path) == {"a": b"one", "b": b"two", "empty": b""}
    assert os.listdir(path.parent) == ["folder"]


def test_an_empty_folder_gives_way_and_nothing_else_does(tmp_path: Path) -> None:
    for name in ("empty", "full", "file"):
        with StagedFolder(tmp_path / name) as staged:
            staged.write("a", b"new")
            if name == "file":
                (tmp_path / name).write_bytes(b"old")
            else:
                (tmp_path / name).mkdir()
            if name == "full":
                (tmp_path / name / "a").write_bytes(b"old")
            with contextlib.nullcontext() if name == "empty" else pytest.raises(OutputConflict):
                storage.publish_folders(staged)
    assert content(tmp_path / "empty") == {"a": b"new"}
    assert content(tmp_path / "full") == {"a": b"old"}
    assert sorted(os.listdir(tmp_path)) == ["empty", "file", "full"]


def test_leaving_without_publishing_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "source").touch()
    with StagedFolder(tmp_path / "folder") as staged:
        staged.write("a", b"one")
        staged.symlink("b", tmp_path / "source")
        staged.hard_link("c", tmp_path / "source")
    assert os.listdir(tmp_path) == ["source"]


def test_merging_replaces_files_of_the_same_names_only(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    for name in "ab":
        (path / name).write_bytes(b"old")
    with StagedFolder(path, merge=True) as staged:
        staged.write("b", b"new")
        staged.write("c", b"new")
        staged.hard_link("a", path / "a")
        storage.publish_folders(staged)
    assert content(path) == {"a": b"old", "b": b"new", "c": b"new"}
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize("name", UNSAFE)
def test_a_name_that_no_file_may_have_is_refused_before_anything_is_made(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "source").touch()
    with StagedFolder(tmp_path / "folder") as staged:
        with pytest.raises(InputRefused):
            staged.write(name, b"content")
        with pytest.raises(InputRefused):
            staged.hard_link(name, tmp_path / "source")
        with pytest.raises(InputRefused):
            staged.symlink(name, tmp_path / "source")
        assert os.listdir(staged.temp) == []
    assert os.listdir(tmp_path) == ["source"]


def test_the_longest_names_are_fine(tmp_path: Path) -> None:
    name = "ä" * 127 + "x"
    publish(tmp_path / name, {name: b"content"})
    assert content(tmp_path / name) == {name: b"content"}


def test_hard_links_lead_to_the_file_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    with StagedFolder(tmp_path / "folder") as staged:
        assert staged.hard_link("a", tmp_path / "link")
        storage.publish_folders(staged)
    assert (tmp_path / "folder/a").samefile(tmp_path / "file")
    assert not (tmp_path / "folder/a").is_symlink()


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP])
def test_where_there_can_be_no_hard_link_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "link", Mock(side_effect=OSError(number, "injected")))
    with StagedFolder(tmp_path / "folder") as staged:
        assert not staged.hard_link("a", tmp_path / "source")


def test_a_hard_link_to_what_is_not_there_names_it(tmp_path: Path) -> None:
    with StagedFolder(tmp_path / "folder") as staged, pytest.raises(Vanished) as refusal:
        staged.hard_link("a", tmp_path / "source")
    assert refusal.value.file == str(tmp_path / "source")


def test_symbolic_links_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with StagedFolder(Path("folder")) as staged:
        staged.symlink("a", Path("source"))
        storage.publish_folders(staged)
    assert os.readlink("folder/a") == str(tmp_path / "source")


def test_a_short_write_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, bytes(data)[:3]))
    publish(tmp_path / "folder", {"a": b"abcdefgh"})
    assert content(tmp_path / "folder") == {"a": b"abcdefgh"}


@pytest.mark.parametrize("verb", ["write", "rename", "mkdir"])
@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, NoSpace), (errno.EROFS, NoPermission), (errno.EIO, TransientError)],
)
def test_a_failure_at_any_step_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    number: int,
    kind: type[Exception],
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, verb, Mock(side_effect=OSError(number, "injected")))
        with pytest.raises(kind):
            publish(tmp_path / "folder", {"a": b"content"})
    assert os.listdir(tmp_path) == []


def test_contents_are_durable_before_names_and_names_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[tuple[str, object]] = []
    rename, fsync = os.rename, os.fsync

    def named(temp: Path, path: Path) -> None:
        steps.append(("name", path))
        rename(temp, path)

    def synced(fd: int) -> None:
        steps.append(("sync", Path(os.readlink(f"/proc/self/fd/{fd}"))))
        fsync(fd)

    monkeypatch.setattr(os, "rename", named)
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(MODULE, "_sync_file_system", lambda _, path: steps.append(("all", path)))
    with contextlib.ExitStack() as stack:
        staged = [stack.enter_context(StagedFolder(tmp_path / name)) for name in "abc"]
        for folder in staged:
            folder.write("file", b"content")
        storage.publish_folders(*staged)
    assert [verb for verb, _ in steps] == ["all", "name", "name", "name", "sync"]
    assert [path for verb, path in steps if verb == "name"] == [tmp_path / name for name in "abc"]
    assert steps[-1] == ("sync", tmp_path)


def test_a_file_system_that_cannot_be_synced_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> int:
        MODULE.ctypes.set_errno(errno.EIO)
        return -1

    library = Mock(syncfs=refuse)
    monkeypatch.setattr(MODULE.ctypes, "CDLL", Mock(return_value=library))
    with pytest.raises(TransientError):
        publish(tmp_path / "folder", {"a": b"content"})
    assert os.listdir(tmp_path) == []


def test_a_system_without_a_sync_of_one_file_system_syncs_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = Mock()
    monkeypatch.setattr(os, "sync", sync)
    monkeypatch.setattr(MODULE.ctypes, "CDLL", Mock(return_value=object()))
    storage.sync_file_system(tmp_path)
    sync.assert_called_once_with()


def test_a_folder_being_filled_is_known_with_its_size_and_its_owner(tmp_path: Path) -> None:
    with StagedFolder(tmp_path / "folder") as staged:
        staged.write("a", bytes(30))
        staged.write("b", bytes(12))
        (found,) = storage.temp_files(tmp_path)
        assert (found.path, found.size, found.pid) == (staged.temp, 42, os.getpid())
        assert not found.owner_gone
        swept(found)
        storage.publish_folders(staged)
    assert content(tmp_path / "folder") == {"a": bytes(30), "b": bytes(12)}


def test_what_a_dead_process_left_is_removed_with_its_content(tmp_path: Path) -> None:
    found = orphan(tmp_path / "folder", {"a": b"one", "b": b"three"})
    (tmp_path / "kept").touch()
    (found.path / "link").symlink_to(tmp_path / "kept")
    assert (found.size, found.owner_gone) == (8, True)
    swept(found)
    swept(found)
    assert os.listdir(tmp_path) == ["kept"]


def test_a_folder_whose_owner_turns_out_to_live_stays(tmp_path: Path) -> None:
    found = orphan(tmp_path / "folder", {"a": b"one"})
    fd = os.open(found.path, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    swept(found)
    assert content(found.path) == {"a": b"one"}
    os.close(fd)


def test_temporary_files_and_links_are_removed_too(tmp_path: Path) -> None:
    found = orphan(tmp_path / "folder", {})
    (tmp_path / found.path.name.replace("folder", "file")).touch()
    (tmp_path / found.path.name.replace("folder", "link")).symlink_to(tmp_path)
    temps = storage.temp_files(tmp_path)
    assert len(temps) == 3
    for temp in temps:
        swept(temp)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["n01440764", "file.tmp", ".hidden", ".a.host-1-0123456.tmp"])
def test_what_has_no_temporary_name_is_never_removed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "a").touch()
    with pytest.raises(OutputConflict):
        swept(TempFile(tmp_path / name, 0, "host", 1, owner_gone=True))
    assert os.listdir(tmp_path / name) == ["a"]


def test_a_folder_in_a_temporary_folder_is_nobody_s_to_remove(tmp_path: Path) -> None:
    found = orphan(tmp_path / "folder", {})
    (found.path / "mine").mkdir()
    swept(found)
    assert (found.path / "mine").is_dir()


def test_a_file_system_without_locks_is_put_up_with_and_its_temps_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fcntl, "flock", Mock(side_effect=OSError(errno.ENOLCK, "injected")))
    with StagedFolder(tmp_path / "folder") as staged:
        (found,) = storage.temp_files(tmp_path)
        assert not found.owner_gone
        storage.publish_folders(staged)
    assert (tmp_path / "folder").is_dir()


def test_two_paths_to_one_folder_are_told_from_two_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to("a")
    assert storage.same_folder(tmp_path / "a", tmp_path / "link")
    assert not storage.same_folder(tmp_path / "a", tmp_path / "b")
    assert not storage.same_folder(tmp_path / "a", tmp_path / "absent")
