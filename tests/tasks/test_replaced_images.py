"""An image that is replaced by another of as many bytes: no output goes on holding the old one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawnlists import encoded, lay, stored
from drawntrees import PER_CLASS, TreeSet, do, draw_tree, put_another_in_place
from filetimes import age, settle
from PIL import Image
from support import products

from pipeline import manifest, paths, storage
from pipeline.errors import SourcesDiffer, TransientError
from pipeline.images.prepare import ImageOptions
from pipeline.job import build
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.shards import finish as outputs
from pipeline.shards import part_sources as partsources
from pipeline.state import source_look as sourcelook
from pipeline.state.inventory import Inventory
from pipeline.storage.local import fingerprints
from tasks.prepare import is_complete

FORMATS = ("recordio", "tfrecord", "webdataset")
ALL = {0, 1, 2}
"""The parts of a set in as many shards."""


@dataclass(frozen=True)
class Case:
    """Images in files of their own, and the job that prepares them."""

    name: str
    image: Path
    folder: Path
    make_job: Callable[..., Job]

    def job(self, out: Path, **options: Any) -> Job:
        """Return the job with these options."""
        return self.make_job(out, **({"formats": FORMATS} | options))

    def images(self, out: Path, shard_format: str = FORMATS[0]) -> list[bytes]:
        """Return the images that a finished output holds."""
        return [image for _, image in stored(out, shard_format, self.name)]


def of_folder(folder: Path) -> Case:
    """Return the case of a folder of three images, each in a shard of its own."""
    images = folder / "img"
    for number in range(3):
        lay(images / f"{number}.jpg", encoded(number))

    def job(out: Path, **options: Any) -> Job:
        return build.list_job(str(images), "", str(out), options.pop("shards", 3), **options)

    return Case("img", images / "1.jpg", images, job)


def of_tree(folder: Path) -> Case:
    """Return the case of a tree of two classes."""
    drawn: TreeSet = draw_tree(folder)

    def job(out: Path, **options: Any) -> Job:
        shards = (("train", options.pop("shards", PER_CLASS)),)
        return drawn.job(out, shards=shards, boxes=False, **options)

    return Case("train", drawn.image(1), drawn.tree, job)


def of_splits(folder: Path) -> Case:
    """Return the case of a folder of two splits of the same classes."""
    images = folder / "img"
    for number in range(4):
        split, wnid = ("train", "val")[number % 2], f"class{number // 2 % 2}"
        lay(images / split / wnid / f"{number}.jpg", encoded(number))

    def job(out: Path, **options: Any) -> Job:
        options.pop("shards", None)
        shards = tuple((name, 2) for name in ("train", "val"))
        return replace(
            build.list_job(str(images), "", str(out), None, recursive=True, **options),
            shards=shards,
        )

    return Case("val", images / "val/class0/1.jpg", images, job)


CASES = {"folder": of_folder, "tree": of_tree}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    made = CASES[request.param](tmp_path / "set")
    age(made.folder)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Case:
    made = of_folder(tmp_path / "set")
    age(made.folder)
    return made


def shard_files(out: Path, case: Case) -> dict[str, int]:
    """Return the inode of every shard, by name: a shard that is made anew has another."""
    found = (path for name in FORMATS for path in (out / name / case.name).glob("*/*-of-*"))
    return {str(path): path.stat().st_ino for path in found if "current" not in path.parts}


def complete_formats(job: Job) -> list[str]:
    every = [each for split in resolve.reading(job).splits.values() for each in split.outputs]
    return [each.format for each in every if outputs.document(each) is not None]


def look(job: Job) -> sourcelook.Look:
    return sourcelook.look(Inventory(resolve.reading(job)))


def test_its_shards_are_made_anew_in_every_format_and_no_others(
    case: Case, tmp_path: Path, out: Path
) -> None:
    job = case.job(out)
    do(job)
    before, old = shard_files(out, case), case.image.read_bytes()
    assert old in case.images(out)
    new = put_another_in_place(case.image)
    do(job)
    for shard_format in FORMATS:
        assert new in case.images(out, shard_format)
        assert old not in case.images(out, shard_format)
    after = shard_files(out, case)
    assert after.keys() == before.keys()
    suffixes = {Path(name).suffix for name in before}
    assert len([name for name in before if before[name] != after[name]]) == len(suffixes)
    do(case.job(tmp_path / "fresh"))
    assert products(out) == products(tmp_path / "fresh")


def test_in_one_of_several_splits_it_is_seen_too(tmp_path: Path, out: Path) -> None:
    made = of_splits(tmp_path / "set")
    age(made.folder)
    do(made.job(out))
    new = put_another_in_place(made.image)
    do(made.job(out))
    assert new in made.images(out)


def test_a_format_that_is_added_later_makes_the_first_anew(case: Case, out: Path) -> None:
    do(case.job(out, formats=("recordio",)))
    new = put_another_in_place(case.image)
    do(case.job(out))
    for shard_format in FORMATS:
        assert new in case.images(out, shard_format)


def test_one_that_no_look_can_tell_is_seen_by_the_format_that_is_added(
    case: Case, out: Path
) -> None:
    info = case.image.stat()
    do(case.job(out, formats=("recordio",)))
    new = put_another_in_place(case.image)  # in the same inode
    os.utime(case.image, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert look(case.job(out)).read == 0
    with pytest.raises(SourcesDiffer, match="replaced"):
        do(case.job(out))
    assert complete_formats(case.job(out)) == []
    do(case.job(out))
    for shard_format in FORMATS:
        assert new in case.images(out, shard_format)


@pytest.mark.parametrize("how", ["touch", "copy"])
def test_one_that_only_looks_different_is_read_once_and_nothing_is_made(
    case: Case, out: Path, tmp_path: Path, how: str
) -> None:
    job = case.job(out)
    do(job)
    before = products(out), shard_files(out, case)
    if how == "touch":
        settle(case.image, 9)
    else:
        shutil.copy2(case.image, tmp_path / "copy")
        (tmp_path / "copy").replace(case.image)
    found = look(job)
    assert (found.read, found.replaced, found.parts) == (1, (), frozenset())
    do(job)
    assert (products(out), shard_files(out, case)) == before
    assert look(job).read == 0


def test_a_finished_run_reads_no_image_and_looks_at_each_once(
    case: Case, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(case.job(out))
    looked: list[str] = []
    of_list, of_tree = storage.file_stamps, storage.entries

    def note_list(root: Path, names: Any) -> Any:
        looked.extend(names)
        return of_list(root, names)

    def note_tree(path: Path) -> Any:
        found = of_tree(path)
        inside = path.is_relative_to(case.folder)
        looked.extend(each.name for each in found if each.kind == "file" and inside)
        return found

    def refuse(*_: object) -> Any:
        raise AssertionError("an image was read")

    monkeypatch.setattr(storage, "file_stamps", note_list)
    monkeypatch.setattr(storage, "entries", note_tree)
    monkeypatch.setattr(fingerprints, "read_stamped", refuse)
    monkeypatch.setattr(storage.SourceReader, "read", refuse)
    do(case.job(out))
    images = [path.name for path in case.folder.rglob("*") if path.suffix in {".jpg", ".JPEG"}]
    assert sorted(looked) == sorted(images)


def test_one_of_a_size_that_it_had_before_is_seen(folder: Case, out: Path) -> None:
    job = folder.job(out)
    do(job)
    first, content = complete_formats(job), folder.image.read_bytes()
    folder.image.write_bytes(encoded(70) + b"longer")
    do(job)
    assert complete_formats(job) == first
    folder.image.write_bytes(content)
    new = put_another_in_place(folder.image)
    do(job)
    assert new in folder.images(out)
    assert content not in folder.images(out)


def test_outputs_of_other_options_that_hold_it_are_withdrawn(folder: Case, out: Path) -> None:
    other = folder.job(out, formats=("webdataset",), shards=2)
    do(other)
    do(folder.job(out, formats=("recordio",)))
    put_another_in_place(folder.image)
    do(folder.job(out, formats=("recordio",)))
    assert complete_formats(other) == []
    assert not paths.current(out, "webdataset", "img").exists()
    do(other)
    assert complete_formats(other) == ["webdataset"]


def test_a_resized_output_knows_its_sources(folder: Case, out: Path) -> None:
    job = folder.job(out, image=ImageOptions(resize=16))
    do(job)
    before = folder.images(out)
    settle(folder.image, 9)
    assert look(job).parts == frozenset()
    put_another_in_place(folder.image)
    do(job)
    assert sum(one != other for one, other in zip(before, folder.images(out), strict=True)) == 1


def test_a_job_that_was_ended_before_goes_on_without_the_old_one(
    case: Case, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = case.job(out)
    monkeypatch.setattr(outputs, "finish", ended)
    with pytest.raises(Ended):
        do(job)
    monkeypatch.undo()
    old, new = case.image.read_bytes(), put_another_in_place(case.image)
    do(job)
    for shard_format in FORMATS:
        assert new in case.images(out, shard_format)
        assert old not in case.images(out, shard_format)


def test_shards_of_other_images_than_are_kept_are_not_finished(folder: Case, out: Path) -> None:
    job = folder.job(out)
    do(job)
    (split,) = resolve(job).splits.values()
    family = split.shards_digest
    loaded = partsources.load(out, family, 2)
    assert loaded is not None
    row = loaded[1].to_pylist()[0]
    stamps = np.array([row["stamp"]], np.uint64)
    another = fingerprints.table([row["path"]], stamps, [bytes(16)])
    partsources.keep_instead(out, family, 2, another, folder.folder)
    for each in split.outputs:
        paths.manifest(storage.on_this_machine(each.folder)).unlink()
    with pytest.raises(TransientError, match="replaced while"):
        do(job)
    assert complete_formats(job) == []
    with pytest.raises(SourcesDiffer):  # what is kept is of no image that is there
        do(job)
    do(job)
    assert complete_formats(job) == list(FORMATS)


@pytest.mark.parametrize("suffix", [".arrow", ".json"])
@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_what_was_kept_and_is_lost_makes_its_shard_anew(
    folder: Case, out: Path, suffix: str, damage: str
) -> None:
    job = folder.job(out)
    do(job)
    before, files = products(out), shard_files(out, folder)
    (split,) = resolve(job).splits.values()
    path = paths.part_sources(out, split.shards_digest, 2).with_suffix(suffix)
    if damage == "flip":
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    do(job)
    assert products(out) == before
    assert shard_files(out, folder) != files
    assert look(job).parts == frozenset()


class Ended(BaseException):
    """What stands for a kill: nothing catches it."""


def ended(*_: object) -> Any:
    raise Ended


def end_before(patch: pytest.MonkeyPatch, number: int) -> None:
    """Have a kill come before the change of a file that has this number, from 1."""
    changes = 0
    for name in ("publish_bytes", "remove"):
        real = getattr(storage, name)

        def change(*given: Any, real: Callable[..., object] = real) -> None:
            nonlocal changes
            changes += 1
            if changes == number:
                raise Ended
            real(*given)

        patch.setattr(storage, name, change)


def test_killed_at_any_moment_no_format_is_complete_with_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the same command then makes what a run makes that nobody disturbs.

    It is done after a kill before the step itself, before the first removal, between formats and
    what is kept of shards, and before the last removal; campaigns of `tests/faults` kill anywhere.
    """
    drawn, finished = of_folder(tmp_path / "set"), tmp_path / "finished"
    age(drawn.folder)
    do(drawn.job(finished, joined=True))
    put_another_in_place(drawn.image)
    do(drawn.job(tmp_path / "fresh", joined=True))
    fresh = products(tmp_path / "fresh")
    for number in count(1):
        out = tmp_path / f"out-{number}"
        shutil.copytree(finished, out, symlinks=True)
        job = drawn.job(out, joined=True)
        found = look(job)
        with monkeypatch.context() as patch:
            end_before(patch, number)
            try:
                sourcelook.settle(out, found)
                break
            except Ended:
                pass
        # The first change is the step: before it nothing was changed.
        assert complete_formats(job) == (list(FORMATS) if number == 1 else [])
        assert is_complete(job) == (number == 1)
        if number in {1, 2, 8, 15}:
            do(job)
            assert products(out) == fresh
    assert number == 16


def make_unknown(out: Path, parts: set[int]) -> int:
    """Make parts those of a version that kept no fingerprints; return how many marks they have."""
    changed = 0
    for family in partsources.families(out):
        for part in parts.intersection(partsources.parts(out, family)):
            partsources.forget(out, family, part)
    for path in paths.state(out).rglob("*.json"):
        document = manifest.load(path)
        if path.stem.isdigit() and int(path.stem) in parts and "made_of" in document:
            del document["made_of"]
            storage.publish_bytes(path, manifest.serialise(document))
            changed += 1
    return changed


def with_tree(case: Case, out: Path) -> Job:
    job = case.job(out)
    return replace(job, steps=("shards", "extract")) if case.name == "train" else job


@pytest.mark.parametrize("name", CASES)
def test_what_was_never_kept_is_not_lost(name: str, tmp_path: Path, out: Path) -> None:
    case = CASES[name](tmp_path / "set")
    age(case.folder)
    job = with_tree(case, out)
    do(job)
    before = shard_files(out, case)
    assert make_unknown(out, {0}) > 0
    assert look(job).parts == frozenset()
    do(job)
    assert shard_files(out, case) == before


def test_an_image_of_another_part_is_still_seen(tmp_path: Path, out: Path) -> None:
    case = CASES["folder"](tmp_path / "set")
    age(case.folder)
    job = case.job(out)
    do(job)
    new = put_another_in_place(case.image)
    (known,) = look(job).parts
    make_unknown(out, ALL - {known[1]})
    assert look(job).parts == {known}
    do(job)
    assert new in case.images(out)


@pytest.mark.parametrize("finished", [True, False])
def test_what_a_killed_second_format_knows_is_withdrawn_from_the_first_too(
    case: Case, out: Path, monkeypatch: pytest.MonkeyPatch, finished: bool
) -> None:
    first, both = (case.job(out, formats=names) for names in (("tfrecord",), FORMATS))
    with monkeypatch.context() as patch:
        if not finished:
            patch.setattr(outputs, "finish", ended)
            with pytest.raises(Ended):
                do(first)
        else:
            do(first)
    make_unknown(out, ALL)
    with monkeypatch.context() as patch:
        patch.setattr(outputs, "finish", ended)
        with pytest.raises(Ended):
            do(both)
    old, new = case.image.read_bytes(), put_another_in_place(case.image)
    do(both)
    for shard_format in FORMATS:
        assert new in case.images(out, shard_format)
        assert old not in case.images(out, shard_format)


@pytest.mark.parametrize("image", [ImageOptions(), ImageOptions(resize=16)])
def test_a_format_beside_intact_shards_of_an_earlier_version_makes_none_anew(
    folder: Case, out: Path, image: ImageOptions
) -> None:
    with Image.open(folder.image) as opened:
        opened.save(folder.image.with_name("7.png"))
    lay(folder.image.with_name("8.jpg"), b"no image")
    options: dict[str, Any] = {"image": image, "on_bad_image": "skip", "shards": 3}
    do(folder.job(out, formats=("tfrecord",), **options))
    before = shard_files(out, folder)
    make_unknown(out, ALL)
    do(folder.job(out, **options))
    after = shard_files(out, folder)
    assert {name: after[name] for name in before} == before
