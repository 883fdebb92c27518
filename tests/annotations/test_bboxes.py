"""bboxes.csv from an archive or a folder: the rules of the scripts, the report, what is refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
from support import mini_source

from pipeline.annotations.bboxes import (
    Boxes,
    closing_lines,
    collect,
    csv_pieces,
    read_annotations,
    report_bytes,
)
from pipeline.errors import ArchiveMissing, ArchiveRefused, TreeRefused

A, B, C = "n00000001", "n00000002", "n00000003"
SIZE = (100, 50)
NO_SIZE = "the annotation gives no size of its image"


def box(*corners: object, name: str = A) -> str:
    tags = zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags if value is not None)
    return f"<object><name>{name}</name><bndbox>{inner}</bndbox></object>"


def xml(*objects: str, size: tuple[int, int] | None = SIZE, filename: str = "x") -> bytes:
    sized = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    inner = f"<filename>{filename}</filename>{sized}{''.join(objects)}"
    return f"<annotation>{inner}</annotation>".encode()


def tar_of(files: dict[str, bytes], kinds: dict[str, bytes] | None = None) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, kind in (kinds or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "elsewhere"
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


def csv_bytes(boxes: Boxes) -> bytes:
    return b"".join(csv_pieces(boxes))


def gathered(
    folder: Path, files: dict[str, bytes], class_filter: frozenset[str] | None = None
) -> Boxes:
    archive = folder / "boxes.tar.gz"
    archive.write_bytes(gzip.compress(tar_of(files)))
    return collect(archive, class_filter=class_filter)


LAUGHS = (
    b'<!DOCTYPE annotation [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><annotation>&c;</annotation>'
)
EXTERNAL = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><annotation>&x;</annotation>'
UNDECLARED = xml(box("&x;", 5, 50, 25))
DEFECTS = {  # in an order that is neither that of the names nor that of the classes
    f"{B}/{B}_10.xml": xml(box(10, 5, 50, 25, name=B), box(20, 10, 30, 20, name=A)),
    f"{A}/{A}_9.xml": xml(box(10, 5, 50, 25)),
    f"{A}/{A}_10.xml": xml(box(50, 5, 10, 25)),
    f"{A}/{A}_11.xml": xml(box(10, 5, 117, 25)),
    f"{A}/{A}_12.xml": xml(box(1, 1, 2, 2), box(105, 3, 140, 30), box(3, 3, 4, 4)),
    f"{A}/{A}_13.xml": xml(box(10, 5, 50, 25), filename="%s"),
    f"{A}/{A}_14.xml": xml(box("64.9", 5, 90, 25)),
    f"{A}/{A}_15.xml": xml(box(10, 5, 50, 25, name="Scottish_deerhound")),
    f"{A}/{A}_16.xml": xml(box(1, 1, 2, 2), box(None, 10, 30, 20), box(3, 3, 4, 4)),
    f"{A}/{A}_17.xml": xml(box(10, 5, 50, 25), size=None),
    f"{A}/{A}_18.xml": xml(box(10, 5, 50, 25), size=(0, 50)),
    f"{A}/{A}_19.xml": LAUGHS,
    f"{A}/{A}_20.xml": EXTERNAL,
    f"{A}/{A}_21.xml": xml(box(10, 5, 50, 25))[:-9],
    f"{A}/{A}_22.xml": xml(),
    f"{A}/{A}_23.xml": xml(box(-3, -2, 50, 25)),
    f"{A}/{A}_24.xml": xml(box(30, 5, 30, 25)),
    f"{A}/{A}_25.xml": xml(box("-0.9", "5e0", 50, 25)),
    f"{A}/{A}_26.xml": xml(box(1, 5, 2, 25), size=(100_000, 50)),
    f"{A}/{A}_27.xml": xml(box("&#49;0", 5, 50, 25, name="&lt;fish&gt; &amp; chips")),
    f"{A}/{A}_28.xml": UNDECLARED,
    f"{A}/{A}_29.xml": xml(box(120, 5, 10, -3)),
    f"{C}/{C}_1.xml": xml(box(33, 1, 34, 2, name=C), size=(300, 7)),
}
LINES = [  # by hand; an image has 100 x 50 pixels where nothing else is said
    # xmin > xmax, so they change places: 10/100, 5/50, 50/100, 25/50
    f"{A}_10.JPEG,0.1000,0.1000,0.5000,0.5000",
    # 117/100 is cut off at 1
    f"{A}_11.JPEG,0.1000,0.1000,1.0000,0.5000",
    # 1/100, 1/50, 2/100, 2/50; the second begins and ends at 1, right of it all; 3/100, 3/50, ...
    f"{A}_12.JPEG,0.0100,0.0200,0.0200,0.0400",
    f"{A}_12.JPEG,0.0300,0.0600,0.0400,0.0800",
    # <filename> is %s, but an image is named after its XML file
    f"{A}_13.JPEG,0.1000,0.1000,0.5000,0.5000",
    # int(64.9)/100 = 64/100, 5/50, 90/100, 25/50
    f"{A}_14.JPEG,0.6400,0.1000,0.9000,0.5000",
    # the name of no class stays
    f"{A}_15.JPEG,0.1000,0.1000,0.5000,0.5000",
    # the second has no xmin; the third keeps its own: 3/100, 3/50, 4/100, 4/50
    f"{A}_16.JPEG,0.0100,0.0200,0.0200,0.0400",
    f"{A}_16.JPEG,0.0300,0.0600,0.0400,0.0800",
    # 17 to 22: no size, no width, a DTD, a DTD, cut short, no object
    # -3/100 and -2/50 are cut off at 0
    f"{A}_23.JPEG,0.0000,0.0000,0.5000,0.5000",
    # 24: from 30/100 to 30/100
    # int(-0.9)/100 = 0/100, 5e0/50 = 5/50
    f"{A}_25.JPEG,0.0000,0.1000,0.5000,0.5000",
    # 1/100000 < 2/100000, though both are 0.0000 to four digits
    f"{A}_26.JPEG,0.0000,0.1000,0.0000,0.5000",
    # &#49; is the digit 1: 10/100
    f"{A}_27.JPEG,0.1000,0.1000,0.5000,0.5000",
    # 28: an entity that nobody declares
    # both change places, then 120/100 is cut off at 1 and -3/50 at 0: 10/100, 0, 1, 5/50
    f"{A}_29.JPEG,0.1000,0.0000,1.0000,0.1000",
    # "1" < "9"
    f"{A}_9.JPEG,0.1000,0.1000,0.5000,0.5000",
    # the second is of another class: 20/100, 10/50, 30/100, 20/50
    f"{B}_10.JPEG,0.1000,0.1000,0.5000,0.5000",
    f"{B}_10.JPEG,0.2000,0.2000,0.3000,0.4000",
    # of 300 x 7 pixels: 33/300, 1/7 = 0.14285..., 34/300 = 0.11333..., 2/7 = 0.28571...
    f"{C}_1.JPEG,0.1100,0.1429,0.1133,0.2857",
]
GOLDEN = "".join(f"{line}\n" for line in LINES)


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


def unpacked(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.mark.parametrize("class_filter", [None, frozenset({A, B})])
def test_a_folder_gives_what_its_archive_gives(
    tmp_path: Path, class_filter: frozenset[str] | None
) -> None:
    files = DEFECTS | {f"{A}/{A}_24.txt": b"x", "readme": b"", f"{B}/huge.xml": bytes(2 << 20)}
    boxes = gathered(tmp_path, files, class_filter)
    found = collect(unpacked(tmp_path / "bboxes", files), class_filter=class_filter)
    assert csv_bytes(found) == csv_bytes(boxes)
    assert report_bytes(found) == report_bytes(boxes)
    assert closing_lines(found) == closing_lines(boxes)


@pytest.mark.parametrize("class_filter", [None, frozenset({"val"})])
def test_a_flat_folder_bears_the_class_that_its_own_name_is(
    tmp_path: Path, class_filter: frozenset[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"val/{name.rpartition('/')[2]}": content for name, content in DEFECTS.items()}
    boxes = gathered(tmp_path, files, class_filter)
    folder = unpacked(tmp_path, files) / "val"
    monkeypatch.chdir(folder)
    for source in (folder, Path(), Path("../val")):
        found = collect(source, class_filter=class_filter)
        assert csv_bytes(found) == csv_bytes(boxes) == GOLDEN.encode()
        assert report_bytes(found) == report_bytes(boxes)


def test_a_link_to_a_flat_folder_bears_the_class(tmp_path: Path) -> None:
    real = unpacked(
        tmp_path / "somewhere", {"a.xml": xml(box(1, 1, 2, 2)), "b.xml": xml(size=None)}
    )
    link = tmp_path / A
    link.symlink_to(real)
    boxes = collect(link, class_filter=frozenset({A}))
    assert (boxes.files.to_pylist(), boxes.report[0].file) == (["a.JPEG"], f"{A}/b.xml")


def test_links_to_annotations_and_to_their_folders_are_followed(tmp_path: Path) -> None:
    real = unpacked(
        tmp_path / "real", {"b/b.xml": xml(box(3, 3, 4, 4)), "a.xml": xml(box(1, 1, 2, 2))}
    )
    folder = unpacked(tmp_path / "tree", {f"{C}/c.xml": xml(box(5, 5, 6, 6)), f"{A}/x.xml": xml()})
    (folder / A / "a.xml").symlink_to(real / "a.xml")
    (folder / B).symlink_to(real / "b")
    assert collect(folder).files.to_pylist() == ["a.JPEG", "b.JPEG", "c.JPEG"]


def test_what_is_hidden_or_left_behind_by_desktops_is_passed_over_in_a_folder(
    tmp_path: Path,
) -> None:
    clean = unpacked(tmp_path / "clean" / "bboxes", DEFECTS)
    clutter = [".DS_Store", "Thumbs.db", "desktop.ini", f"{A}/._a.xml", f"{A}/thumbs.db"]
    clutter += [f"{A}/Desktop.ini", ".git/a.xml", f"{A}/.hidden/a.xml"]
    littered = unpacked(tmp_path / "bboxes", DEFECTS | dict.fromkeys(clutter, b"x"))
    assert report_bytes(collect(littered)) == report_bytes(collect(clean))
    found = collect(littered)
    assert csv_bytes(found).decode() == GOLDEN
    assert closing_lines(found)[0].startswith("Passed over 8 hidden or system names, e.g. .DS_")
    assert closing_lines(found)[1:] == closing_lines(collect(clean))


def test_clutter_in_an_archive_is_passed_over_and_said(tmp_path: Path) -> None:
    doubled = {f"{A}/._{name.rpartition('/')[2]}": b"\0\5\x16\7" for name in DEFECTS}
    left = {"__MACOSX/a.xml": xml(), f"PaxHeader/{A}.xml": xml(), ".DS_Store": b""}
    clean = gathered(tmp_path, DEFECTS)
    littered = gathered(tmp_path, doubled | left | DEFECTS)
    assert (csv_bytes(littered), report_bytes(littered)) == (csv_bytes(clean), report_bytes(clean))
    assert littered.clutter.count == len(doubled) + 3
    assert closing_lines(littered)[1:] == closing_lines(clean)


def test_a_folder_of_annotations_may_itself_have_a_hidden_name(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / ".val", {"a.xml": xml(box(1, 5, 50, 25))})
    assert collect(folder).xml_files == 1


def test_clutter_does_not_make_a_flat_folder_another(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "val", {"a.xml": xml(size=None), ".cache/b.xml": b""})
    assert [row.file for row in collect(folder).report] == ["val/a.xml"]


def test_whatever_else_is_in_a_folder_is_reported(tmp_path: Path) -> None:
    huge = bytes((1 << 20) + 1)
    files = {
        f"{A}/a.xml": xml(),
        f"{A}/deeper/b.xml": xml(),
        f"{A}/huge.xml": huge,
        "list.txt": b"a",
    }
    folder = unpacked(tmp_path / "bboxes", files)
    (folder / A / "gone.xml").symlink_to("nowhere")
    os.mkfifo(folder / A / "fifo.xml")
    boxes = collect(folder)
    assert boxes.xml_files == 2
    assert {row.file: row.reason for row in boxes.report} == {
        f"{A}/fifo.xml": "not an annotation: a special file of 0 bytes",
        f"{A}/gone.xml": "not an annotation: a broken link of 0 bytes",
        f"{A}/huge.xml": f"not an annotation: a file of {len(huge)} bytes",
        "list.txt": "not an annotation: a file of 1 bytes",
    }
    assert {(row.object, row.kind) for row in boxes.report} == {(None, "refused")}


def test_a_name_in_a_folder_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    latin = os.fsdecode(b"b-\xff.xml")
    folder = unpacked(tmp_path / "bboxes", {f"{A}/a.xml": xml(), f"{A}/{latin}": xml()})
    with pytest.raises(TreeRefused, match="not UTF-8") as caught:
        collect(folder)
    assert caught.value.file == str(folder / A)
    assert caught.value.found == r"'b-\udcff.xml'"


def test_an_image_annotated_twice_in_a_folder_is_refused(tmp_path: Path) -> None:
    folder = unpacked(tmp_path, {"a/x.xml": xml(), "b/x.xml": xml()})
    with pytest.raises(ArchiveRefused, match="annotated twice") as caught:
        collect(folder)
    assert (caught.value.file, caught.value.place) == (str(folder), "in a and in b")


def test_a_folder_of_nothing_has_no_boxes(tmp_path: Path) -> None:
    boxes = collect(tmp_path)
    assert (csv_bytes(boxes), boxes.xml_files, boxes.report) == (b"", 0, ())


@pytest.fixture(scope="module")
def mini() -> Path:
    source = mini_source()
    if source is None:
        pytest.skip("the mini set is not there")
    return source


def test_the_defects_of_the_mini_set_end_as_documented(mini: Path) -> None:
    expected = json.loads((mini / "EXPECTED.json").read_text())
    boxes = collect(mini / "ILSVRC2012_bbox_train_v2.tar.gz")
    assert [(row.file[10:-4], row.object, row.kind) for row in boxes.report] == [
        ("n02342885_10908", 1, "repaired"),
        ("n02391049_6947", 1, "repaired"),
        ("n02398521_24812", 2, "dropped"),
    ]
    assert boxes.xml_files == len(boxes.files) == expected["train_xml_files"]
    assert len(boxes.corners) == expected["train_xml_objects"] - 1
    lines = csv_bytes(boxes).decode().splitlines()
    of = {
        stem: [line for line in lines if line.startswith(f"{stem}.")] for stem, _ in defects(mini)
    }
    assert {stem: len(found) for stem, found in of.items()} == {
        "n02342885_10908": 1,
        "n02391049_6947": 1,
        "n02398521_24812": 1,
        "n02509815_10244": 1,
        "n02510455_1364": 3,
        "n02672831_7054": 1,
        "n02807133_1289": 2,
    }
    assert of["n02342885_10908"] == ["n02342885_10908.JPEG,0.4088,0.1400,0.6859,0.6700"]
    assert of["n02391049_6947"] == ["n02391049_6947.JPEG,0.1280,0.0989,1.0000,0.4294"]
    assert of["n02510455_1364"][0] == "n02510455_1364.JPEG,0.4380,0.1497,0.5160,0.5241"
    assert of["n02509815_10244"] == ["n02509815_10244.JPEG,0.0420,0.1340,0.3300,0.1840"]


def defects(mini: Path) -> list[tuple[str, str]]:
    return [(a, b) for a, b in json.loads((mini / "EXPECTED.json").read_text())["xml_defects"]]


def test_the_filter_takes_no_box_out_of_the_mini_set(mini: Path) -> None:
    classes = frozenset(json.loads((mini / "EXPECTED.json").read_text())["train_classes"])
    archive = mini / "ILSVRC2012_bbox_train_v2.tar.gz"
    every, filtered = collect(archive), collect(archive, class_filter=classes)
    # The second object of n02807133_1289 is of another class, and the first is not.
    assert (filtered.skipped_files, filtered.skipped_boxes) == (0, 0)
    assert csv_bytes(every) == csv_bytes(filtered)
    assert len(filtered.corners) == 187


def test_the_validation_boxes_of_the_mini_set_are_read_alike(mini: Path) -> None:
    boxes = collect(mini / "ILSVRC2012_bbox_val_v3.tgz")
    assert boxes.xml_files == len(boxes.files) == 49
    assert boxes.files[0].as_py().startswith("ILSVRC2012_val_")


def test_the_published_samples_give_a_box_an_object(mini: Path, tmp_path: Path) -> None:
    samples = list((mini.parent / "ilsvrc2012-facts" / "xml_samples").iterdir())
    boxes = gathered(tmp_path, {f"x/{path.name}": path.read_bytes() for path in samples})
    objects = {f"{path.stem}.JPEG": path.read_text().count("<object>") for path in samples}
    counts = np.diff(boxes.offsets).tolist()
    assert dict(zip(boxes.files.to_pylist(), counts, strict=True)) == {
        k: n for k, n in objects.items() if n
    }
    assert boxes.report == ()


@pytest.mark.parametrize(
    ("archive", "folder"),
    [("ILSVRC2012_bbox_train_v2.tar.gz", "."), ("ILSVRC2012_bbox_val_v3.tgz", "val")],
)
def test_the_mini_set_unpacked_gives_what_its_archives_give(
    mini: Path, tmp_path: Path, archive: str, folder: str
) -> None:
    with tarfile.open(mini / archive) as tar:
        tar.extractall(tmp_path, filter="data")
    packed, found = collect(mini / archive), collect(tmp_path / folder)
    assert packed.xml_files > 0
    assert csv_bytes(found) == csv_bytes(packed)
    assert report_bytes(found) == report_bytes(packed)
    assert closing_lines(found) == closing_lines(packed)
