"""bboxes.csv from an archive or a folder: the rules of the scripts, the report, what is refused."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest
from annotationfiles import (
    DEFECTS,
    GOLDEN,
    NO_SIZE,
    A,
    B,
    C,
    box,
    csv_bytes,
    gathered,
    tar_of,
    unpacked,
    xml,
)

from pipeline.annotations.bboxes import (
    closing_lines,
    collect,
    read_annotations,
    report_bytes,
)
from pipeline.errors import ArchiveMissing, ArchiveRefused, TreeRefused


def test_the_csv_is_what_the_rules_give_by_hand(tmp_path: Path) -> None:
    assert csv_bytes(gathered(tmp_path, DEFECTS)).decode() == GOLDEN


def test_the_report_has_every_box_and_file_not_taken_as_it_stands(tmp_path: Path) -> None:
    rows = gathered(tmp_path, DEFECTS).report
    dtd = "the annotation declares a document type, which can hide entities"
    malformed = "the annotation is not well-formed XML"
    nothing = "no area inside the picture"
    assert [(row.file, row.object, row.kind, row.reason.split(":")[0]) for row in rows] == [
        (f"{A}/{A}_10.xml", 1, "repaired", "misordered"),
        (f"{A}/{A}_11.xml", 1, "repaired", "clamped"),
        (f"{A}/{A}_12.xml", 2, "dropped", nothing),
        (f"{A}/{A}_16.xml", 2, "refused", "no <xmin>"),
        (f"{A}/{A}_17.xml", None, "refused", NO_SIZE),
        (f"{A}/{A}_18.xml", None, "refused", NO_SIZE),
        (f"{A}/{A}_19.xml", None, "refused", dtd),
        (f"{A}/{A}_20.xml", None, "refused", dtd),
        (f"{A}/{A}_21.xml", None, "refused", malformed),
        (f"{A}/{A}_23.xml", 1, "repaired", "clamped"),
        (f"{A}/{A}_24.xml", 1, "dropped", nothing),
        (f"{A}/{A}_28.xml", None, "refused", malformed),
        (f"{A}/{A}_29.xml", 1, "repaired", "misordered, clamped"),
    ]
    reasons = {row.file: row.reason for row in rows}
    assert reasons[f"{A}/{A}_12.xml"] == f"{nothing}: (105, 3, 140, 30) in (100, 50)"
    assert reasons[f"{A}/{A}_17.xml"] == f"{NO_SIZE}: no <size>"
    assert reasons[f"{A}/{A}_18.xml"] == f"{NO_SIZE}: 0 x 50 pixels"
    assert reasons[f"{A}/{A}_29.xml"] == "misordered, clamped: (120, 5, 10, -3) in (100, 50)"


def test_the_report_is_csv_with_a_header(tmp_path: Path) -> None:
    files = {f"{A}/a.xml": xml(box(5, 1, 2, 2)), f"{A}/b.xml": xml(size=None)}
    lines = report_bytes(gathered(tmp_path, files)).decode().splitlines()
    assert lines == [
        "file,object,kind,reason",
        f'{A}/a.xml,1,repaired,"misordered: (5, 1, 2, 2) in (100, 50)"',
        f"{A}/b.xml,,refused,{NO_SIZE}: no <size>",
    ]


def test_the_closing_counts_are_those_of_the_scripts_and_of_what_cannot_be_read(
    tmp_path: Path,
) -> None:
    boxes = gathered(tmp_path, DEFECTS | {"README.txt": b""})
    assert (boxes.xml_files, boxes.skipped_files, boxes.skipped_boxes) == (23, 0, 0)
    unread = f"e.g. {A}/{A}_17.xml; no boxes are taken from such."  # to 21, and 28
    assert closing_lines(boxes) == [
        "Finished processing 23 XML files.",
        "Skipped 8 XML files not in ImageNet Challenge.",  # 17 to 22, 24 and 28
        "Skipped 3 bounding boxes not in ImageNet Challenge.",  # of 12, 16 and 24
        "Wrote 18 bounding boxes from 15 annotated images.",
        f"6 annotations cannot be read, {unread}",
        "1 other file is no annotation, e.g. README.txt.",
    ]


def test_the_filter_of_tensorflow_leaves_out_other_folders_and_other_classes(
    tmp_path: Path,
) -> None:
    strange = xml(box(20, 10, 30, 20, name=A), box(10, 5, 50, 25, name=B))
    boxes = gathered(tmp_path, DEFECTS | {f"{B}/{B}_11.xml": strange}, frozenset({A, B}))
    kept = [line for line in GOLDEN.splitlines(keepends=True) if not line.startswith(C)]
    # The file's first name is the label of each of its boxes: of B_10 both stay, of B_11 none.
    assert csv_bytes(boxes).decode() == "".join(kept)
    assert (boxes.skipped_files, boxes.skipped_boxes) == (1, 2)
    assert [row for row in boxes.report if row.file.endswith("_11.xml")][1:] == [
        (f"{B}/{B}_11.xml", 1, "dropped", f"of class {A}"),
        (f"{B}/{B}_11.xml", 2, "dropped", f"of class {A}"),
    ]
    assert closing_lines(boxes)[1:3] == [
        "Skipped 10 XML files not in ImageNet Challenge.",
        "Skipped 5 bounding boxes not in ImageNet Challenge.",
    ]


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (xml(box(1, 1, 2, 2, name=A)), 1),  # of no class among these
        (xml(box(1, 1, 2, 2, name=C), box(3, 3, 4, 4, name=B)), 0),
        (xml("<owner><name>somebody</name></owner>", box(1, 1, 2, 2, name=C)), 1),
        (xml(f"<part><name>{C}</name></part>", box(1, 1, 2, 2, name=B)), 0),
    ],
)
def test_a_filter_goes_by_the_first_name_of_a_file(
    tmp_path: Path, content: bytes, kept: int
) -> None:
    assert len(gathered(tmp_path, {f"{B}/x.xml": content}, frozenset({B, C})).corners) == kept


def test_the_order_is_that_of_the_files_and_within_one_that_of_its_xml(tmp_path: Path) -> None:
    one, two = xml(box(9, 9, 10, 10), box(1, 1, 2, 2)), xml(box(5, 5, 6, 6))
    boxes = gathered(tmp_path, {"z/a.xml": one, "a/b.xml": two, "m/a-.xml": two, "m/ä.xml": two})
    assert boxes.files.to_pylist() == ["a-.JPEG", "a.JPEG", "b.JPEG", "ä.JPEG"]
    assert boxes.offsets.tolist() == [0, 1, 3, 4, 5]
    assert boxes.corners[:, 0].tolist() == [0.05, 0.09, 0.01, 0.05, 0.05]
    assert (str(boxes.offsets.dtype), str(boxes.corners.dtype)) == ("int64", "float64")


def test_an_image_annotated_twice_is_refused(tmp_path: Path) -> None:
    good = xml(box(1, 1, 2, 2))
    with pytest.raises(ArchiveRefused, match="annotated twice") as caught:
        gathered(tmp_path, {"a/x.xml": good, "a/y.xml": good, "b/x.xml": xml(size=None)})
    assert (caught.value.place, caught.value.found) == ("in a and in b", "two of x")
    assert "download" not in str(caught.value.remedy)  # its MD5 is right


@pytest.mark.parametrize("folder", ["", "a/"])
def test_an_annotation_that_an_archive_holds_twice_is_said_to_be_there_twice(
    tmp_path: Path, folder: str
) -> None:
    archive = tmp_path / "boxes.tar"
    with tarfile.open(archive, "w") as tar:
        for _ in range(2):
            info = tarfile.TarInfo(f"{folder}x.xml")
            info.size = len(xml())
            tar.addfile(info, io.BytesIO(xml()))
    with pytest.raises(ArchiveRefused, match="annotated twice") as caught:
        collect(archive)
    assert caught.value.place == f"twice in {folder.rstrip('/') or '.'}"


def test_of_images_in_two_classes_one_name_is_enough(tmp_path: Path) -> None:
    archive = tmp_path / "boxes.tar"
    files = {f"{B}/1.xml": xml(box(3, 3, 4, 4)), f"x/{A}/1.XML": xml(box(1, 1, 2, 2))}
    archive.write_bytes(tar_of(files))
    boxes = collect(archive, classes=frozenset({A, B}))
    assert csv_bytes(boxes).decode().splitlines() == [
        "1.JPEG,0.0100,0.0200,0.0200,0.0400",
        "1.JPEG,0.0300,0.0600,0.0400,0.0800",
    ]
    assert boxes.annotated.keys.to_pylist() == [f"{A}/1", f"{B}/1"]
    archive.write_bytes(tar_of({f"x/{name}": content for name, content in files.items()} | files))
    with pytest.raises(ArchiveRefused, match="annotated twice"):
        collect(archive, classes=frozenset({A, B}))


@pytest.mark.parametrize("name", ["1.xml", "1.jpg.xml", "1.JPEG.XML"])
def test_an_annotation_outside_of_class_folders_is_known_by_its_name(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "boxes").mkdir()
    (tmp_path / "boxes" / name).write_bytes(xml(box(1, 1, 2, 2)))
    archive = tmp_path / "boxes.tar"
    archive.write_bytes(tar_of({name: xml(box(1, 1, 2, 2))}))
    for source in (archive, tmp_path / "boxes"):
        found = collect(source, classes=frozenset({A}))
        assert found.annotated.keys.to_pylist() == ["1"]
    named = collect(tmp_path / "boxes", classes=frozenset({A, "boxes"}))
    assert named.annotated.keys.to_pylist() == ["boxes/1"]


def test_folders_may_lie_within_one_another(tmp_path: Path) -> None:
    files = {f"v2/{name}": content for name, content in DEFECTS.items()}
    deep = unpacked(tmp_path / "bboxes", files | {"x.xml": xml(box(1, 1, 2, 2))})
    packed = gathered(tmp_path, files | {"x.xml": xml(box(1, 1, 2, 2))})
    found = collect(deep)
    assert csv_bytes(found) == csv_bytes(packed)
    assert report_bytes(found) == report_bytes(packed)


def test_folders_that_lead_around_in_a_circle_are_refused(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "bboxes", {f"{A}/x.xml": xml()})
    (folder / A / "up").symlink_to(folder)
    with pytest.raises(TreeRefused, match="do not end"):
        collect(folder)


def test_a_name_that_would_break_the_csv_is_refused(tmp_path: Path) -> None:
    names = [f"{A}/a,b.xml", f'{A}/a".xml', f"{A}/a\nb.xml"]
    boxes = gathered(tmp_path, dict.fromkeys(names, xml(box(1, 1, 2, 2))))
    assert csv_bytes(boxes) == b""
    assert {row.file for row in boxes.report} == set(names)


def test_an_archive_without_annotations_has_no_boxes(tmp_path: Path) -> None:
    boxes = gathered(tmp_path, {})
    assert (csv_bytes(boxes), boxes.corners.shape, boxes.offsets.tolist()) == (b"", (0, 4), [0])


def test_other_members_are_reported_and_folders_passed_over(tmp_path: Path) -> None:
    kinds = {
        A: tarfile.DIRTYPE,
        f"{A}/symlink.xml": tarfile.SYMTYPE,
        f"{A}/hardlink.xml": tarfile.LNKTYPE,
        f"{A}/device.xml": tarfile.CHRTYPE,
        f"{A}/fifo.xml": tarfile.FIFOTYPE,
    }
    files = {f"{A}/README": b"mac", f"{A}/a.xml": xml(), f"{A}/huge.xml": bytes((1 << 20) + 1)}
    archive = tmp_path / "boxes.tar"
    archive.write_bytes(tar_of(files, kinds))
    found = dict(read_annotations(archive))
    assert found.pop(f"{A}/a.xml") == xml()
    reasons = {name: str(what.found) for name, what in found.items() if not isinstance(what, bytes)}
    assert reasons == {
        f"{A}/symlink.xml": "a symlink of 0 bytes",
        f"{A}/hardlink.xml": "a hardlink of 0 bytes",
        f"{A}/device.xml": "a device of 0 bytes",
        f"{A}/fifo.xml": "a fifo of 0 bytes",
        f"{A}/README": "a file of 3 bytes",
        f"{A}/huge.xml": f"a file of {(1 << 20) + 1} bytes",
    }
    boxes = collect(archive)
    assert {(row.file, row.kind) for row in boxes.report} == {(n, "refused") for n in reasons}
    assert boxes.xml_files == 1


@pytest.mark.parametrize("cut", [2, 400, -1])
def test_a_truncated_archive_is_refused(tmp_path: Path, cut: int) -> None:
    archive = tmp_path / "boxes.tar.gz"
    archive.write_bytes(gzip.compress(tar_of(DEFECTS))[:cut])
    with pytest.raises(ArchiveRefused, match="ends too early"):
        collect(archive)


def test_a_missing_archive_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ArchiveMissing):
        collect(tmp_path / "absent.tar.gz")
