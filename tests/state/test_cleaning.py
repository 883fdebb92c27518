"""What may be removed: what nobody owns, what another output has replaced; nothing else."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from unittest.mock import Mock

import pytest
from support import RawSet, write_catalog

from pipeline import manifest, paths, storage
from pipeline.errors import NoPermission
from pipeline.job.resolve import resolve
from pipeline.state import cleaning

SHARD = "train-00000-of-00001"
CLASS = "n01440764"
OLD, NEW, HALF, WANTED = "000000000001", "000000000002", "000000000003", "000000000004"


def output(out: Path, digest: str, *, split: str = "train", complete: bool = True) -> Path:
    """Make an output of two files, with its shard manifests."""
    folder = paths.output(out, "tfrecord", split, digest)
    storage.publish_bytes(folder / "train-00000-of-00001", bytes(100))
    storage.publish_bytes(folder / "idx" / "train-00000-of-00001", bytes(20))
    storage.publish_bytes(paths.shard_mark(out, digest, 0), b"{}")
    if complete:
        storage.publish_bytes(paths.manifest(folder), manifest.serialise({"files": []}))
    return folder


def point(out: Path, digest: str) -> None:
    storage.point(paths.current(out, "tfrecord", "train"), digest)


def temp(folder: Path, target: str = "bboxes.csv", pid: int = 99) -> Path:
    """Make a temporary file that nobody holds."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{target}.{socket.gethostname().replace('.', '_')}-{pid}-01234567.tmp"
    path.write_bytes(b"half")
    return path


def temp_folder(folder: Path, *names: str, target: str | bytes = CLASS) -> Path:
    """Make a temporary folder of a class that nobody holds, with files in it."""
    path = temp(folder, os.fsdecode(target))
    path.unlink()
    path.mkdir()
    for name in names or ("1.JPEG",):
        (path / name).write_bytes(b"half")
    return path


def stale(out: Path) -> set[Path]:
    """Return the temporary files that would be removed."""
    return {each.temp.path for each in cleaning.stale(out, cleaning.temps(out)) if each.plan.items}


class TestSuperseded:
    def test_outputs_are_those_beside_the_current_one(self, out: Path) -> None:
        old = output(out, OLD)
        half = output(out, HALF, complete=False)
        output(out, NEW)
        point(out, NEW)
        found = cleaning.superseded(out, frozenset())
        assert [one.folder for one in found] == [old, half]
        goes = {item.path for item in found[0].plan.items}
        assert goes == {*old.rglob("*"), old, *paths.shard_marks(out, OLD).rglob("*")} | {
            paths.shard_marks(out, OLD)
        }
        assert found[0].plan.bytes == 122 + paths.manifest(old).stat().st_size
        assert found[0].plan.items[0].path == paths.manifest(old)

    def test_outputs_that_are_still_wanted_are_kept(self, out: Path) -> None:
        for digest in (OLD, NEW, WANTED):
            output(out, digest)
        point(out, NEW)
        found = cleaning.superseded(out, frozenset({WANTED}))
        assert [one.folder.name for one in found] == [OLD]

    def test_nothing_is_while_no_output_is_current(self, out: Path) -> None:
        output(out, OLD)
        output(out, NEW)
        assert cleaning.superseded(out, frozenset()) == []
        assert cleaning.superseded(out / "absent", frozenset()) == []

    def test_nothing_is_while_the_current_output_is_gone_or_unfinished(self, out: Path) -> None:
        output(out, OLD)
        point(out, NEW)
        assert cleaning.superseded(out, frozenset()) == []
        output(out, NEW, complete=False)
        assert cleaning.superseded(out, frozenset()) == []

    def test_outputs_of_another_split_are_judged_by_its_own_current(self, out: Path) -> None:
        output(out, OLD, split="validation")
        output(out, NEW)
        point(out, NEW)
        assert cleaning.superseded(out, frozenset()) == []


class TestRemoving:
    def test_an_output_goes_with_its_shard_manifests_and_no_other(self, out: Path) -> None:
        old, new = output(out, OLD), output(out, NEW)
        point(out, NEW)
        for one in cleaning.superseded(out, frozenset()):
            cleaning.remove_output(one)
        assert not old.exists()
        assert not paths.shard_marks(out, OLD).exists()
        assert len(list(new.rglob("*"))) == 4
        assert paths.shard_mark(out, NEW, 0).exists()

    def test_the_manifest_goes_first(self, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        output(out, OLD)
        output(out, NEW)
        point(out, NEW)
        (old,) = cleaning.superseded(out, frozenset())
        remove, removed = os.unlink, list[str]()

        def refuse_the_second(name: str, *, dir_fd: int) -> None:
            removed.append(name)
            if len(removed) == 2:
                raise PermissionError(errno.EACCES, "injected")
            remove(name, dir_fd=dir_fd)

        monkeypatch.setattr(os, "unlink", refuse_the_second)
        with pytest.raises(NoPermission):
            cleaning.remove_output(old)
        assert removed[0] == paths.manifest(old.folder).name
        assert storage.stat(paths.manifest(old.folder)) is None


class TestTemporaryFiles:
    def test_are_found_wherever_the_program_writes(self, out: Path) -> None:
        folder = output(out, OLD)
        left = {
            temp(paths.state(out) / "archives"),
            temp(paths.shard_marks(out, OLD)),
            temp(folder, SHARD),
            temp(folder / "idx", SHARD),
            temp(folder.parent, "current"),
        }
        temp(out / "mine")
        assert stale(out) == left

    def test_are_found_beside_products_without_a_digest(self, out: Path) -> None:
        left = {temp(out), temp(out / "lists", "train.lst"), temp(paths.product_marks(out))}
        folder = temp_folder(out / "train")
        write_catalog(out, [f"{CLASS}/1.JPEG"])
        assert stale(out) == left
        storage.publish_bytes(paths.product_mark(out, "tree-train"), b"{}")
        assert stale(out) == left | {folder}

    @pytest.mark.parametrize("name", ["c" * 140, "c" * 200, "a" + "ü" * 90])
    def test_the_folder_of_a_class_of_a_long_name_goes_and_a_strangers_file_stays(
        self, out: Path, name: str
    ) -> None:
        with storage.StagedFolder(out / "train" / name) as staged:
            cut = storage.TempFile(staged.temp, 0, "host", 99, owner_gone=True, is_folder=True)
        folder = temp_folder(out / "train", target=os.fsencode(cut.target.name))
        storage.publish_bytes(paths.product_mark(out, "tree-train"), b"{}")
        write_catalog(out, [f"{name}x/2.JPEG", "other/1.JPEG"])
        assert stale(out) == set()
        write_catalog(out, [f"{name}/1.JPEG"], "ba9876543210")
        assert stale(out) == {folder}
        (folder / "mynotes.txt").touch()
        (each,) = cleaning.stale(out, cleaning.temps(out))
        assert each.plan.strangers == (folder / "mynotes.txt",)

    def test_of_living_owners_are_told_apart(self, out: Path) -> None:
        left = temp(paths.state(out))
        with storage.StagedFile(paths.state(out) / "file") as staged:
            assert {found.path for found in cleaning.temps(out)} == {left, staged.temp}
            assert stale(out) == {left}

    def test_are_swept_where_a_job_writes_and_nowhere_else(self, small: RawSet, out: Path) -> None:
        resolved = resolve(small.job(out))
        folder = storage.on_this_machine(resolved.splits["train"].outputs[0].folder)
        temp(paths.state(out) / "plans")
        temp(folder.parent, "current")
        for place in (folder, folder / "idx"):
            temp(place, SHARD)
        other = temp(output(out, OLD), SHARD)
        with storage.StagedFile(folder / "file") as staged:
            cleaning.sweep(resolved)
            assert {found.path for found in cleaning.temps(out)} == {other, staged.temp}

    def test_stay_where_they_may_not_be_removed(
        self, small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An output that is complete may lie on a file system that is mounted read-only."""
        left = temp(paths.state(out), "job.json")
        dead = paths.shard_claim(out, "0" * 12, 0)
        storage.publish_bytes(dead, b"none")
        refused = Mock(side_effect=NoPermission("read-only"))
        monkeypatch.setattr(storage, "remove_temp", refused)
        monkeypatch.setattr(storage, "carry_out", refused)
        cleaning.sweep(resolve(small.job(out)))
        assert refused.call_count == 2
        assert left.exists()
        assert storage.stat(dead) is not None

    def test_links_that_were_never_set_are_swept_too(self, small: RawSet, out: Path) -> None:
        resolved = resolve(small.job(out))
        folder = storage.on_this_machine(resolved.splits["train"].outputs[0].folder)
        link = temp(folder.parent, "current", 4_194_304)  # more than any process has
        link.unlink()
        link.symlink_to("nowhere")
        cleaning.sweep(resolved)
        assert not link.is_symlink()

    def test_folders_of_a_tree_and_files_beside_it_are_swept_too(
        self, small: RawSet, out: Path
    ) -> None:
        resolved = resolve(small.job(out, steps=("boxes", "lists", "extract")))
        left = {
            temp_folder(out / "train"),
            temp_folder(out / "val"),
            temp(out),
            temp(out / "lists", "train.lst"),
        }
        write_catalog(out, [f"{CLASS}/1.JPEG"])
        other = temp_folder(out / "mine")
        assert {found.path for found in cleaning.temps(out, resolved)} == left
        with storage.StagedFolder(out / "train" / "n01440764") as staged:
            cleaning.sweep(resolved)
            assert [found.path for found in cleaning.temps(out, resolved)] == [staged.temp]
        assert (other / "1.JPEG").exists()


class TestLeftLocks:
    @pytest.mark.parametrize("folder", ["raw", "images/train", "masks/test", "tfrecord/train"])
    def test_are_found_wherever_files_are_fetched_to_or_written(
        self, out: Path, folder: str
    ) -> None:
        lock = out / folder / ".masks.zip.lock"
        storage.publish_bytes(lock, b'{"command": "shardmill", "host": "here", "pid": 99}\n')
        storage.publish_bytes(out / "mine" / lock.name, lock.read_bytes())
        plan = cleaning.left_locks(out)
        assert [item.path for item in plan.items] == [lock]
        assert plan.strangers == ()
