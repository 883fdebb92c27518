"""Boxes by class and name: the numbers of bboxes.csv, every annotation, damaged files."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support import RawSet

from pipeline.annotations import bboxes, boxtable, decimals
from pipeline.annotations.boxtable import BoxTable
from pipeline.errors import OutputDamaged, Vanished

BOXES = "ILSVRC2012_bbox_train_v2.tar.gz"
VOC = "<annotation><size><width>9</width><height>9</height></size>{}</annotation>"
OBJECT = (
    "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>1</ymin><xmax>9</xmax><ymax>3</ymax>"
    "</bndbox></object>"
)


def archive_of(folder: Path, files: dict[str, list[tuple[str, int]]]) -> Path:
    """An archive of annotations, of the names and xmins of their objects."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, objects in files.items():
            content = VOC.format("".join(OBJECT.format(*each) for each in objects)).encode()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    archive = folder / "boxes.tgz"
    archive.write_bytes(gzip.compress(target.getvalue()))
    return archive


def table_of(folder: Path, archive: Path, *classes: str) -> BoxTable:
    found = bboxes.collect(archive, classes=frozenset(classes) if classes else None)
    path = folder / "boxes.arrow"
    path.write_bytes(b"".join(boxtable.pieces(found)))
    return boxtable.read(path)


def test_every_annotation_is_there_by_class_and_name(tmp_path: Path) -> None:
    files = {
        "b/2.xml": [("b", 1)],
        "a/2.xml": [],
        "x/a/1.xml": [("a", 1), ("Scottish_deerhound", 2)],
        "0.xml": [("b", 3)],
    }
    table = table_of(tmp_path, archive_of(tmp_path, files), "a", "b")
    assert table.keys.to_pylist() == ["0", "a/1", "a/2", "b/2"]
    assert [len(each) for each in table.boxes] == [4, 8, 0, 4, 0]
    assert table.names.to_pylist() == [["b"], ["a", "Scottish_deerhound"], [], [], []]
    assert table.find(pa.array(["a/2", "c/2", "0", "b/1", "b/2"])).tolist() == [2, -1, 0, -1, 3]
    assert table.find(pa.array([], pa.string())).tolist() == []


def test_where_folders_mean_nothing_every_object_is_named(tmp_path: Path) -> None:
    table = table_of(tmp_path, archive_of(tmp_path, {"val/1.xml": [("a", 1)]}))
    assert (table.keys.to_pylist(), table.names.to_pylist()) == (["1"], [["a"], []])


def test_numbers_are_those_that_the_scripts_read(raw_set: RawSet, tmp_path: Path) -> None:
    found = bboxes.collect(raw_set.raw / BOXES)
    path = tmp_path / "boxes.arrow"
    path.write_bytes(b"".join(boxtable.pieces(found)))
    table = boxtable.read(path)
    lines = b"".join(bboxes.csv_pieces(found)).decode().splitlines()
    assert len(lines) > 50
    numbers = [float(np.float32(each)) for line in lines for each in line.split(",")[1:]]
    assert table.boxes.flatten().to_pylist() == numbers
    assert len(table) == found.xml_files


def test_a_table_is_written_in_batches_and_read_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"a/{n}.xml": [("a", 1 + n % 3), ("b", n % 2)] for n in range(9)}
    archive = archive_of(tmp_path, files)
    whole = table_of(tmp_path, archive, "a")
    monkeypatch.setattr(boxtable, "_AT_ONCE", 2)
    found = table_of(tmp_path, archive, "a")
    assert (found.keys, found.names) == (whole.keys, whole.names)
    assert found.boxes == whole.boxes


def test_decimals_are_those_of_the_formatting_of_python() -> None:
    random = np.random.default_rng(7)
    tied = np.arange(1, 640) / 640  # half of them end in a five that is no exact one
    fractions = np.concatenate([[0.0, 1.0, 5e-5, 0.99995], tied, random.random(5_000)])
    boxes = fractions[: len(fractions) // 4 * 4].reshape(-1, 4)
    written = [",".join(["", *(f"{value:.4f}" for value in box)]) for box in boxes.tolist()]
    assert decimals.four_decimals(boxes) == [line.encode() for line in written]
    read = [[np.float32(word) for word in line.split(",")[1:]] for line in written]
    assert decimals.as_float32(boxes).tolist() == np.array(read).tolist()


@pytest.mark.parametrize("cut", [1, 200, 600])
def test_a_file_that_was_cut_off_or_changed_is_refused(tmp_path: Path, cut: int) -> None:
    table_of(tmp_path, archive_of(tmp_path, {"a/1.xml": [("a", 1)]}), "a")
    path = tmp_path / "boxes.arrow"
    content = path.read_bytes()
    path.write_bytes(b"\x01" * cut + content[cut:])
    with pytest.raises(OutputDamaged):
        boxtable.read(path)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(Vanished):
        boxtable.read(tmp_path / "absent.arrow")
