"""Names that nobody should obey are refused where they are read, by file and line."""

from __future__ import annotations

import csv
import gzip
import io
import os
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.annotations import bboxes
from pipeline.archives.index import INDEX_SCHEMA
from pipeline.archives.tar import Member
from pipeline.catalog import class_table as classtable
from pipeline.errors import ArchiveRefused, BadAnnotation, ConfigError, TreeRefused
from pipeline.sources.ilsvrc2012 import label_files as labels
from pipeline.sources.ilsvrc2012 import tree_listing
from pipeline.sources.ilsvrc2012.dataset import SplitConfig
from pipeline.sources.ilsvrc2012.expectation import expectation
from pipeline.sources.ilsvrc2012.members import archive_rows
from pipeline.sources.imagelist import folder as listing
from pipeline.sources.imagelist import lst

HOSTILE = ["\x1b[2J", "\x07", "\x9b2J", "\x85", "\u2028", "\u202e", "\u2069"]
CLASSES = ["..", "/abs", "a/../../x", ".docs.HOST-99999-deadbeef.tmp", *(f"n{x}" for x in HOSTILE)]
TRAIN = SplitConfig("train", "t.tar", "train", "class-tars", 1, counts="labels:images")
HEADER = "wnid\timages\twords\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "table.tsv"
    path.write_text(text, newline="")
    return path


@pytest.mark.parametrize("name", CLASSES, ids=ascii)
def test_a_class_of_the_label_table(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, f"{HEADER}n01\t1\ttench\n{name}\t1\tx\n")
    with pytest.raises(ConfigError) as refusal:
        labels.load_table(path)
    assert (refusal.value.file, refusal.value.place) == (str(path), "line 3")
    assert str(refusal.value).isprintable() or len(str(refusal.value).split("\n")) == 4


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_words_of_the_label_table(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, f"{HEADER}n01\t1\tten{name}ch\n")
    with pytest.raises(ConfigError) as refusal:
        labels.load_table(path)
    assert (refusal.value.file, refusal.value.place) == (str(path), "line 2")


@pytest.mark.parametrize("name", ["..", "/abs", "a/../../x", *HOSTILE], ids=ascii)
@pytest.mark.parametrize("form", ["ant\n{}\n", "folder\tlabel\nant\t0\n{}\t1\n"])
def test_a_folder_of_the_table_of_classes(tmp_path: Path, form: str, name: str) -> None:
    path = written(tmp_path, form.format(name))
    with pytest.raises(ConfigError) as refusal:
        classtable.read(path)
    assert (refusal.value.file, refusal.value.place) == (str(path), f"line {form.count(chr(10))}")


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
@pytest.mark.parametrize("place", ["{}/x.jpg", "n01/{}.jpg"])
def test_a_name_in_a_folder_or_tree(tmp_path: Path, place: str, name: str) -> None:
    path = tmp_path / "train" / place.format(name)
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(TreeRefused):
        tree_listing.scan(tmp_path, TRAIN)
    with pytest.raises(TreeRefused):
        listing.scan(tmp_path / "train", recursive=True)


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_path_of_an_image_list(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, f"0\t0\ta.jpg\n1\t0\té {name}.jpg\n2\t0\tb.jpg\n")
    with pytest.raises(BadAnnotation) as refusal:
        list(lst.read(path))
    assert (refusal.value.file, refusal.value.place) == (str(path), "line 2")


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_member_of_an_archive(tmp_path: Path, name: str) -> None:
    table = labels.load_table(written(tmp_path, f"{HEADER}n01\t1\ttench\n"))
    members = [Member("", "n01.tar", 512, 10, "file"), Member("n01.tar", name, 1024, 1, "file")]
    index = pa.Table.from_pylist([each._asdict() for each in members], INDEX_SCHEMA)
    with pytest.raises(ArchiveRefused) as refusal:
        list(archive_rows([index], TRAIN, table, expectation(TRAIN, table, None)))
    assert "member n01.tar > " in str(refusal.value.place)
    assert all(line.isprintable() for line in str(refusal.value).split("\n"))


def test_names_that_are_odd_but_harmless_stay(tmp_path: Path) -> None:
    names = ["dog house", "café", "=1", "-x", "\u0646\u200c\u0645"]
    table = "".join(f"{name}\t1\t{name}\n" for name in names)
    assert {*labels.load_table(written(tmp_path, HEADER + table)).class_ids} == {*names}
    assert {*classtable.read(written(tmp_path, "\n".join(names))).names} == {*names}
    for name in names:
        (tmp_path / "train" / name).mkdir(parents=True)
        (tmp_path / "train" / name / f"{name}.jpg").touch()
    assert tree_listing.scan(tmp_path, TRAIN).files.num_rows == len(names)
    listed = "".join(f"{row}\t0\t{name}/x.jpg\n" for row, name in enumerate(names))
    assert sum(part.num_rows for part in lst.read(written(tmp_path, listed))) == len(names)


VOC = (
    b"<annotation><size><width>9</width><height>9</height></size><object><name>n01</name><bndbox>"
    b"<xmin>1</xmin><ymin>1</ymin><xmax>{}</xmax><ymax>5</ymax></bndbox></object></annotation>"
)


def boxes_of(folder: Path, names: list[str]) -> bboxes.Boxes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            content = VOC.replace(b"{}", b"5" if name.startswith("n01") else b"1")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    path = folder / "boxes.tar.gz"
    path.write_bytes(gzip.compress(sink.getvalue()))
    return bboxes.collect(path)


@pytest.mark.parametrize("folder", ["..", "n01/..", *(f"n01{name}" for name in HOSTILE)], ids=ascii)
def test_a_class_folder_of_annotations(tmp_path: Path, folder: str) -> None:
    found = boxes_of(tmp_path, ["n01/a.xml", f"{folder}/b.xml"])
    assert found.xml_files == 2
    assert found.files.to_pylist() == ["a.JPEG"]
    assert found.annotated.keys.to_pylist() == ["a"]
    (row,) = found.report
    assert (row.kind, row.reason) == (
        "refused",
        f"a folder that can be no class: {folder.rpartition('/')[2]!r}",
    )


def test_the_report_of_boxes_holds_no_formula_and_no_control_character(tmp_path: Path) -> None:
    found = boxes_of(tmp_path, ["n01/a.xml", "=cmd/b.xml", "-1/\x1b[2J\nx.xml", "@x\n/c.xml"])
    report = bboxes.report_bytes(found).decode()
    assert all(line.isprintable() for line in report.split("\n"))
    names = [row[0] for row in csv.reader(io.StringIO(report))]
    assert names == ["file", r"'-1/\x1b[2J\nx.xml", "'=cmd/b.xml", r"'@x\n/c.xml"]


def test_clutter_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "train" / "n01").mkdir(parents=True)
    for name in ("Icon\r", ".\x1b[2J", "x.jpg"):
        (tmp_path / "train" / "n01" / name).touch()
    assert os.listdir(tmp_path / "train" / "n01")
    assert tree_listing.scan(tmp_path, TRAIN).files["key"].to_pylist() == ["n01/x.jpg"]
