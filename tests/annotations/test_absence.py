"""Annotations that are asked for and not there: what is said, and that the remedy works."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from pipeline.annotations import absence
from pipeline.annotations.bboxes import collect
from pipeline.errors import BadAnnotation

XML = (
    b"<annotation><size><width>9</width><height>9</height></size><object><name>a</name><bndbox>"
    b"<xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></object></annotation>"
)


def tar_of(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


def refusal(source: Path) -> BadAnnotation:
    with pytest.raises(BadAnnotation) as caught:
        absence.check(source, collect(source, classes=frozenset({"a", "b"})))
    assert (caught.value.file, caught.value.exit_status) == (str(source), 3)
    assert "--no-boxes" in str(caught.value.remedy)
    return caught.value


def unpack(folder: Path) -> None:
    """What the remedy says, in the folder that it names."""
    for archive in sorted(folder.iterdir()):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")


@pytest.mark.parametrize(
    "archives",
    [
        {"ILSVRC2012_bbox_train_v2.tar.gz": tar_of({"a/1.xml": XML, "b/1.xml": XML})},
        {"a.tar.gz": tar_of({"a/1.xml": XML}), "b.TGZ": tar_of({"b/1.xml": XML})},
        {"a.tar": tar_of({"Annotation/a/1.xml": XML, "Annotation/b/1.xml": XML}, "w")},
    ],
)
def test_archives_in_a_folder_are_named_and_to_be_unpacked(
    tmp_path: Path, archives: dict[str, bytes]
) -> None:
    folder = tmp_path / "bboxes"
    folder.mkdir()
    for name, content in archives.items():
        (folder / name).write_bytes(content)
    error = refusal(folder)
    assert error.found == ", ".join(sorted(archives))
    assert str(error.remedy).startswith(f"unpack {error.found} in that folder")
    unpack(folder)
    boxes = collect(folder, classes=frozenset({"a", "b"}))
    absence.check(folder, boxes)
    assert boxes.annotated.keys.to_pylist() == ["a/1", "b/1"]


def test_archives_in_an_archive_are_named_and_to_be_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "boxes.tar.gz"
    archive.write_bytes(tar_of({"Annotation/a.tar.gz": tar_of({"Annotation/a/1.xml": XML})}))
    error = refusal(archive)
    assert error.found == "Annotation/a.tar.gz"
    assert "the folder bboxes of a --tree" in str(error.remedy)
    folder = tmp_path / "bboxes"
    folder.mkdir()
    for packed in (archive, folder / "Annotation" / "a.tar.gz"):
        with tarfile.open(packed) as tar:
            tar.extractall(folder, filter="data")
    boxes = collect(folder, classes=frozenset({"a"}))
    absence.check(folder, boxes)
    assert boxes.annotated.keys.to_pylist() == ["a/1"]


def test_an_empty_folder_and_one_of_other_files_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).found == "nothing"
    for number in range(9):
        (tmp_path / f"{number}.json").touch()
    assert refusal(tmp_path).found == "0.json, 1.json, 2.json, 3.json and 5 more"


def test_annotations_without_a_usable_box_are_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.xml").write_bytes(b"<annotation>")
    error = refusal(tmp_path)
    assert str(error.found).startswith("1 annotation; a/1.xml: the annotation is not well-formed")
    (tmp_path / "a" / "1.xml").write_bytes(XML)
    filtered = collect(tmp_path, class_filter=frozenset({"b"}))
    with pytest.raises(BadAnnotation, match="1 of classes that are not in the label table"):
        absence.check(tmp_path, filtered)
