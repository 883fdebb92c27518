"""Commands that make the same files at the same time."""

from __future__ import annotations

import contextlib
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from packing import encoding, list_all, names, passing, tiny_set, write_list
from support import on_wait

from pipeline import storage
from pipeline.errors import BadAnnotation, InputRefused, OutputConflict
from pipeline.im2rec.lists import make_lists
from pipeline.im2rec.pack import pack
from pipeline.images.transforms import Resize
from pipeline.sources.imagelist.folder import Division
from pipeline.verification.packcheck import check_set, no_compare

SET = ("a.rec", "a.idx", "a.lst", "a.manifest.json")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tiny_set(tmp_path)


def test_the_files_of_a_set_are_held_while_they_are_published(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = []

    def publish(*staged: Any, superseding: bool) -> None:
        for file in staged:
            with pytest.raises(OutputConflict), storage.target_lock(file.path, wait=False):
                pass
            held.append(file.path.name)
        real(*staged, superseding=superseding)

    real = storage.publish
    monkeypatch.setattr(storage, "publish", publish)
    listing = list_all(root).rename(tmp_path / "other.lst")
    pack(passing(root, listing, output=tmp_path / "a.rec", listed="a.lst", threads=2))
    assert sorted(held) == sorted(SET)
    for name in SET:
        with storage.target_lock(tmp_path / name, wait=False):
            pass
    assert names(tmp_path) == {"images", "other.lst", *SET}


@pytest.mark.parametrize("file", ["a.rec", "a.bin", "a.idx", "a.manifest.json"])
def test_a_command_waits_for_one_that_makes_one_of_its_files(
    root: Path, tmp_path: Path, file: str
) -> None:
    waited: list[set[str]] = []
    job = passing(root, list_all(root), output=tmp_path / "a.bin")
    with contextlib.ExitStack() as other:
        other.enter_context(storage.target_lock(tmp_path / file))

        def go_on(_: str) -> None:
            waited.append(names(tmp_path) - {f".{file}.lock"})
            other.close()

        with on_wait(go_on):
            assert pack(job).records == 12
    expected = {"images", "a.lst"}
    assert [found - {".a.bin.lock", ".a.idx.lock"} for found in waited] == (
        [] if file == "a.rec" else [expected]
    )
    assert names(tmp_path) == {*expected, "a.bin", "a.idx", "a.manifest.json"}


def test_a_set_reached_through_a_link_is_the_same_set(root: Path, tmp_path: Path) -> None:
    (tmp_path / "b.rec").symlink_to("a.rec")
    job = passing(root, list_all(root), output=tmp_path / "b.rec")
    with contextlib.ExitStack() as other:
        other.enter_context(storage.target_lock(tmp_path / "a.rec"))

        def go_on(_: str) -> None:
            write_list(job.listing, [(0, 0, "0.jpg")])
            other.close()

        with on_wait(go_on):
            assert pack(job).records == 1  # of the list as it is after the waiting


def work(folder: Path, size: int, barrier: Any, said: Any) -> None:
    for _ in range(4):
        barrier.wait()
        try:
            pack(encoding(folder / "images", folder / "a.lst", Resize(size)))
            said.put("")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told
            said.put(str(error))


@pytest.mark.parametrize("sizes", [(9, 40), (9, 9)])
def test_two_processes_that_make_one_set_never_mix_and_never_fail(
    root: Path, tmp_path: Path, sizes: tuple[int, int]
) -> None:
    write_list(tmp_path / "a.lst", [(0, 0, "0.jpg")])
    context = multiprocessing.get_context("fork")
    barrier, said = context.Barrier(2), context.Queue()
    workers = [context.Process(target=work, args=(tmp_path, n, barrier, said)) for n in sizes]
    for worker in workers:
        worker.start()
    assert [said.get(timeout=60) for _ in range(8)] == [""] * 8
    for worker in workers:
        worker.join()
    assert check_set(tmp_path / "a.manifest.json", no_compare).findings == []
    assert names(tmp_path) == {"images", "a.lst", "a.rec", "a.idx", "a.manifest.json"}


def test_a_list_that_is_refused_leaves_no_folder(root: Path, tmp_path: Path) -> None:
    listing = write_list(tmp_path / "a.lst", [(0, "no label", "0.jpg")])
    with pytest.raises(BadAnnotation):
        pack(passing(root, listing, output=tmp_path / "out" / "a.rec"))
    assert names(tmp_path) == {"images", "a.lst"}


@pytest.mark.parametrize("threads", [1, 2])
def test_a_job_that_is_refused_midway_leaves_no_folder(
    root: Path, tmp_path: Path, threads: int
) -> None:
    listing = write_list(tmp_path / "a.lst", [(0, "0", "0.jpg"), (1, "0", "absent.jpg")])
    with pytest.raises(InputRefused):
        pack(passing(root, listing, output=tmp_path / "new" / "er" / "a.rec", threads=threads))
    assert names(tmp_path) == {"images", "a.lst"}


def test_lists_of_one_prefix_are_held_together(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish(*staged: Any) -> None:
        with pytest.raises(OutputConflict), storage.target_lock(tmp_path / "p", wait=False):
            pass
        real(*staged)

    real = storage.publish
    monkeypatch.setattr(storage, "publish", publish)
    make_lists(str(tmp_path / "p"), root, [".jpg"], Division(train=0.5), recursive=False)
    assert names(tmp_path) == {"images", "p_train.lst", "p_val.lst"}
