"""When a finished shard has the records of one that is to be written, and when nobody knows."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import shared
from drawnlists import SPLIT, current, draw_list
from finishedoutputs import kept
from support import RawSet

from pipeline import manifest, paths, storage
from pipeline.archives.member_hashes import KnownMembers
from pipeline.catalog import plan
from pipeline.catalog import table as catalog
from pipeline.documents.outputs import OutputManifest
from pipeline.formats.registry import ALL
from pipeline.images import repair
from pipeline.shards import earlier_outputs, same_shards
from pipeline.shards.earlier_outputs import EarlierOutput
from pipeline.shards.output import Output, RecordForm
from pipeline.shards.read import NONE_KNOWN
from pipeline.shards.same_shards import Images, SameShard

Row = dict[str, Any]
OTHER = "0123456789ab"


def wanted(out: Path, name: str, split: str = SPLIT, **image: Any) -> Output:
    """Return an output of the form of the finished one, of another digest."""
    document = manifest.read(paths.manifest(current(out, name, split)), OutputManifest)
    form = RecordForm.recorded(name, document.parameters)
    form = dataclasses.replace(form, image=dataclasses.replace(form.image, **image))
    return Output(OTHER, paths.output(out, name, split, OTHER), form)


@dataclasses.dataclass(frozen=True)
class Finished:
    """An output of a list, and where the images lie."""

    out: Path
    root: Path

    def earlier(self, name: str, **image: Any) -> tuple[EarlierOutput, ...]:
        return earlier_outputs.find(self.out, wanted(self.out, name, **image), SPLIT)

    def rows(self, name: str, shard: int = 1) -> pa.RecordBatch:
        rows = self.earlier(name)[0].rows(shard)
        assert rows is not None
        return rows

    def same(self, name: str, rows: pa.RecordBatch) -> SameShard | None:
        images = Images(self.root, True, NONE_KNOWN)
        return same_shards.find(self.earlier(name), wanted(self.out, name).form, rows, images)


@pytest.fixture
def finished(tmp_path: Path) -> Finished:
    """A list of 24 images in three shards, of which a test may change anything.

    The images lie elsewhere than when the shards were written, so that they are read.
    """

    def make(folder: Path) -> None:
        drawn = draw_list(folder / "drawn")
        words = ("--format", "tfrecord,recordio,webdataset", "--shards", 3)
        assert drawn.prepare_here(folder / "out", *words).returncode == 0

    begun = shared.once("same-shards", make)
    shutil.copytree(begun, tmp_path, symlinks=True, dirs_exist_ok=True)
    return Finished(tmp_path / "out", tmp_path / "drawn/root")


def changed(rows: pa.RecordBatch, change: Callable[[list[Row]], list[Row]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(change(rows.to_pylist()), catalog.SCHEMA)


def edited(**values: object) -> Callable[[list[Row]], list[Row]]:
    """Return what changes columns of the second row."""
    return lambda rows: [rows[0], rows[1] | values, *rows[2:]]


BOX = {"xmin": 0.1, "ymin": 0.1, "xmax": 0.5, "ymax": 0.5, "class_index": -1, "class_id": None}
ANOTHER: dict[str, Callable[[list[Row]], list[Row]]] = {
    "key": edited(key="another"),
    "file name": edited(filename="another.jpg"),
    "class": edited(class_index=99),
    "words of a class": edited(class_text="another"),
    "labels": edited(labels=[0.5]),
    "a box": edited(objects=[BOX | {"flags": None, "mask": None}]),
    "another order": lambda rows: [*rows[1:], rows[0]],
    "another order behind the first": lambda rows: [rows[0], *reversed(rows[1:])],
    "an image less": lambda rows: rows[:-1],
    "an image more": lambda rows: [*rows, rows[0] | {"key": "more"}],
}


@pytest.mark.parametrize("name", ["tfrecord", "recordio", "webdataset"])
def test_a_shard_of_the_same_records_is_found_wherever_its_images_lie(
    finished: Finished, name: str
) -> None:
    rows = finished.rows(name)
    same = finished.same(name, rows)
    assert same is not None
    assert same.mark.shard == 1
    assert same.fingerprints is not None
    moved = changed(
        rows,
        lambda rows: [r | {"source": f"{finished.root}/{r['source']}", "line": 5} for r in rows],
    )
    assert finished.same(name, moved) is not None


@pytest.mark.parametrize("change", ANOTHER.values(), ids=ANOTHER)
def test_no_shard_is_found_for_other_rows(
    finished: Finished, change: Callable[[list[Row]], list[Row]]
) -> None:
    assert finished.same("webdataset", changed(finished.rows("webdataset"), change)) is None


@pytest.mark.parametrize(("name", "is_same"), [("tfrecord", True), ("recordio", False)])
def test_an_id_counts_where_it_is_written(finished: Finished, name: str, is_same: bool) -> None:
    rows = changed(finished.rows(name), edited(id=4711))
    assert (finished.same(name, rows) is not None) == is_same


def test_no_shard_is_found_whose_labels_differ_in_a_sign(finished: Finished) -> None:
    """Zero and minus zero are equal numbers of other bytes."""
    rows = finished.rows("recordio")
    zero, minus = (changed(rows, edited(labels=[value])) for value in (0.0, -0.0))
    assert plan.same_values(zero, zero, ())
    assert not plan.same_values(zero, minus, ())


def image(finished: Finished, rows: pa.RecordBatch) -> Path:
    return finished.root / str(rows.column("source")[2].as_py())


def replace(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-30] ^= 1
    path.write_bytes(content)


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


@pytest.mark.parametrize("change", [replace, lengthen, Path.unlink])
def test_no_shard_is_found_for_other_images(
    finished: Finished, change: Callable[[Path], object]
) -> None:
    rows = finished.rows("tfrecord")
    change(image(finished, rows))
    assert finished.same("tfrecord", rows) is None
    assert finished.same("tfrecord", finished.rows("tfrecord", 0)) is not None


def test_images_are_not_read_where_one_has_another_length(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "read_files", lambda *_: pytest.fail("read"))
    rows = changed(finished.rows("tfrecord"), edited(length=5))
    assert finished.same("tfrecord", rows) is None


def state(finished: Finished, name: str = "tfrecord") -> Path:
    return paths.shard_marks(finished.out, current(finished.out, name).name)


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


LOST: dict[str, Callable[[Finished], object]] = {
    "its mark": lambda has: (state(has) / "00001.json").unlink(),
    "another's mark in its place": lambda has: shutil.copy(
        state(has) / "00002.json", state(has) / "00001.json"
    ),
    "the shard": lambda has: (current(has.out, "tfrecord") / "images-00001-of-00003").unlink(),
    "a part of it": lambda has: damage(current(has.out, "tfrecord") / "images-00001-of-00003"),
    "its index": lambda has: (current(has.out, "tfrecord") / "idx/images-00001-of-00003").unlink(),
    "the fingerprints": lambda has: shutil.rmtree(paths.sources(has.out)),
    "the fingerprints' mark": lambda has: damage(next(paths.sources(has.out).glob("*/00001.json"))),
}


@pytest.mark.parametrize("lose", LOST.values(), ids=LOST)
def test_no_shard_is_found_of_which_something_is_lost(
    finished: Finished, lose: Callable[[Finished], object]
) -> None:
    rows = finished.rows("tfrecord")
    lose(finished)
    assert finished.same("tfrecord", rows) is None


def test_no_shard_is_found_without_the_plan(finished: Finished) -> None:
    rows = finished.rows("tfrecord")
    for path in (finished.out / ".shardmill/plans").iterdir():
        path.unlink()
    assert finished.same("tfrecord", rows) is None


def test_only_finished_outputs_of_the_same_form_are_taken(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = finished.out
    assert len(finished.earlier("tfrecord")) == 1
    own = dataclasses.replace(wanted(out, "tfrecord"), digest=current(out, "tfrecord").name)
    assert earlier_outputs.find(out, own, SPLIT) == ()
    assert earlier_outputs.find(out, wanted(out, "tfrecord"), "other") == ()
    assert finished.earlier("tfrecord", orientation="bake") == ()
    assert finished.earlier("tfrecord", max_pixels=1000) == ()  # it may have larger images
    assert len(finished.earlier("tfrecord", max_pixels=10**10)) == 1
    earlier_outputs._read.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(ALL["tfrecord"], "version", 1234, raising=False)
        assert finished.earlier("tfrecord") == ()
    earlier_outputs._read.cache_clear()
    form_of_it = wanted(out, "tfrecord")
    paths.manifest(current(out, "tfrecord")).unlink()
    assert earlier_outputs.find(out, form_of_it, SPLIT) == ()


def test_images_that_another_pillow_has_repaired_are_encoded_again(
    finished: Finished, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = finished.rows("tfrecord")
    same = finished.same("tfrecord", rows)
    assert same is not None
    assert same.mark.repairs
    monkeypatch.setattr(repair, "codec", lambda: "pillow 1.0 / libjpeg 6")
    assert finished.same("tfrecord", rows) is None
    assert finished.same("webdataset", finished.rows("webdataset")) is not None  # repairs none


def test_images_that_look_as_they_did_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = draw_list(tmp_path / "drawn", images=6)
    for path in drawn.root.rglob("*.*"):
        os.utime(path, ns=(0, time.time_ns() - 10**12))  # else their stamps are not trusted
    ended = drawn.prepare_here(tmp_path / "out", "--shards", 2, "--format", "recordio")
    assert ended.returncode == 0, ended.stderr
    finished, read = Finished(tmp_path / "out", drawn.root), list[str]()
    rows, read_files = finished.rows("recordio", 0), storage.read_files

    def note(root: Path, names: list[str]) -> list[tuple[int, bytes | None]]:
        read.extend(names)
        return read_files(root, names)

    monkeypatch.setattr(storage, "read_files", note)
    assert finished.same("recordio", rows) is not None
    assert read == []
    touched = image(finished, rows)
    os.utime(touched)
    assert finished.same("recordio", rows) is not None
    assert [finished.root / name for name in read] == [touched]
    replace(touched)
    assert finished.same("recordio", rows) is None


def test_images_in_archives_are_known_by_the_hashes_of_their_members(small: RawSet) -> None:
    out = kept(small).out
    output = wanted(out, "tfrecord", "train")
    (earlier,) = earlier_outputs.find(out, output, "train")
    rows = earlier.rows(0)
    assert rows is not None
    members = KnownMembers.of(
        out, [(each.file or "", each.md5) for each in earlier.document.inputs]
    )
    images = Images(small.raw, False, members)
    assert same_shards.find((earlier,), output.form, rows, images) is not None
    unknown = Images(small.raw, False, NONE_KNOWN)
    assert same_shards.find((earlier,), output.form, rows, unknown) is None
    swapped = rows.to_pylist()
    swapped[0]["offset"], swapped[1]["offset"] = swapped[1]["offset"], swapped[0]["offset"]
    swapped[0]["length"], swapped[1]["length"] = swapped[0]["length"], swapped[1]["length"]
    other = pa.RecordBatch.from_pylist(swapped, catalog.SCHEMA)
    assert same_shards.find((earlier,), output.form, other, images) is None
