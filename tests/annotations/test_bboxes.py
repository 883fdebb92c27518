"""bboxes.csv from an archive: the rules of the scripts, the report, archives that are damaged."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from support import mini_source

from pipeline.annotations.bboxes import (
    Boxes,
    closing_lines,
    collect,
    csv_bytes,
    read_annotations,
    report_bytes,
)
from pipeline.errors import ArchiveMissing, ArchiveRefused, BadAnnotation

A, B, C = "n00000001", "n00000002", "n00000003"
SIZE = (100, 50)
NO_SIZE = "the annotation gives no size of its picture"


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
    f"{C}/{C}_1.xml": xml(box(33, 1, 34, 2, name=C), size=(300, 7)),
}
GOLDEN = f"""\
{A}_10.JPEG,0.1000,0.1000,0.5000,0.5000
{A}_11.JPEG,0.1000,0.1000,1.0000,0.5000
{A}_12.JPEG,0.0100,0.0200,0.0200,0.0400
{A}_12.JPEG,0.0300,0.0600,0.0400,0.0800
{A}_13.JPEG,0.1000,0.1000,0.5000,0.5000
{A}_14.JPEG,0.6400,0.1000,0.9000,0.5000
{A}_15.JPEG,0.1000,0.1000,0.5000,0.5000
{A}_16.JPEG,0.0100,0.0200,0.0200,0.0400
{A}_16.JPEG,0.0300,0.0600,0.0400,0.0800
{A}_9.JPEG,0.1000,0.1000,0.5000,0.5000
{B}_10.JPEG,0.1000,0.1000,0.5000,0.5000
{B}_10.JPEG,0.2000,0.2000,0.3000,0.4000
{C}_1.JPEG,0.1100,0.1429,0.1133,0.2857
"""


def test_the_csv_is_what_the_rules_give_by_hand(tmp_path: Path) -> None:
    assert csv_bytes(gathered(tmp_path, DEFECTS)).decode() == GOLDEN


def test_the_report_has_every_box_and_file_not_taken_as_it_stands(tmp_path: Path) -> None:
    rows = [(*row[:3], row.reason) for row in gathered(tmp_path, DEFECTS).report]
    outside = "no area inside the picture: (105, 3, 140, 30) in (100, 50)"
    assert rows[:6] == [
        (f"{A}/{A}_10.xml", 1, "repaired", "misordered: (50, 5, 10, 25) in (100, 50)"),
        (f"{A}/{A}_11.xml", 1, "repaired", "clamped: (10, 5, 117, 25) in (100, 50)"),
        (f"{A}/{A}_12.xml", 2, "dropped", outside),
        (f"{A}/{A}_16.xml", 2, "refused", "no <xmin>"),
        (f"{A}/{A}_17.xml", None, "refused", f"{NO_SIZE}: no <size>"),
        (f"{A}/{A}_18.xml", None, "refused", f"{NO_SIZE}: 0 x 50 pixels"),
    ]
    assert [row[:3] for row in rows[6:]] == [
        (f"{A}/{A}_{number}.xml", None, "refused") for number in (19, 20, 21)
    ]
    assert [row[3].split(":")[0] for row in rows[6:]] == [
        "the annotation declares a document type, which can hide entities",
        "the annotation declares a document type, which can hide entities",
        "the annotation is not well-formed XML",
    ]


def test_the_report_is_csv_with_a_header(tmp_path: Path) -> None:
    files = {f"{A}/a.xml": xml(box(5, 1, 2, 2)), f"{A}/b.xml": xml(size=None)}
    lines = report_bytes(gathered(tmp_path, files)).decode().splitlines()
    assert lines == [
        "file,object,kind,reason",
        f'{A}/a.xml,1,repaired,"misordered: (5, 1, 2, 2) in (100, 50)"',
        f"{A}/b.xml,,refused,{NO_SIZE}: no <size>",
    ]


def test_the_closing_counts_are_those_of_the_scripts(tmp_path: Path) -> None:
    boxes = gathered(tmp_path, DEFECTS)
    assert (boxes.xml_files, boxes.skipped_files, boxes.skipped_boxes) == (16, 0, 0)
    assert closing_lines(boxes) == [
        "Finished processing 16 XML files.",
        "Skipped 6 XML files not in ImageNet Challenge.",
        "Skipped 2 bounding boxes not in ImageNet Challenge.",
        "Wrote 13 bounding boxes from 10 annotated images.",
    ]


def test_the_filter_of_tensorflow_leaves_out_other_folders_and_other_classes(
    tmp_path: Path,
) -> None:
    boxes = gathered(tmp_path, DEFECTS, frozenset({A, B}))
    gone = (f"{C}_1.JPEG", f"{B}_10.JPEG,0.2000")
    kept = [line for line in GOLDEN.splitlines(keepends=True) if not line.startswith(gone)]
    assert csv_bytes(boxes).decode() == "".join(kept)
    assert (boxes.skipped_files, boxes.skipped_boxes) == (1, 1)
    assert closing_lines(boxes)[1:3] == [
        "Skipped 7 XML files not in ImageNet Challenge.",
        "Skipped 3 bounding boxes not in ImageNet Challenge.",
    ]


def test_a_filter_keeps_a_box_of_a_class_that_is_not_in_it(tmp_path: Path) -> None:
    files = {f"{B}/x.xml": DEFECTS[f"{B}/{B}_10.xml"]}
    assert len(gathered(tmp_path, files, frozenset({B})).corners) == 2


def test_the_order_is_that_of_the_files_and_within_one_that_of_its_xml(tmp_path: Path) -> None:
    one, two = xml(box(9, 9, 10, 10), box(1, 1, 2, 2)), xml(box(5, 5, 6, 6))
    boxes = gathered(tmp_path, {"z/a.xml": one, "a/b.xml": two, "m/a-.xml": two, "m/ä.xml": two})
    assert boxes.files == ("a-.JPEG", "a.JPEG", "b.JPEG", "ä.JPEG")
    assert boxes.offsets.tolist() == [0, 1, 3, 4, 5]
    assert boxes.corners[:, 0].tolist() == [0.05, 0.09, 0.01, 0.05, 0.05]
    assert (str(boxes.offsets.dtype), str(boxes.corners.dtype)) == ("int64", "float64")


def test_a_picture_annotated_twice_is_refused(tmp_path: Path) -> None:
    good = xml(box(1, 1, 2, 2))
    with pytest.raises(ArchiveRefused, match="annotated twice") as caught:
        gathered(tmp_path, {"a/x.xml": good, "a/y.xml": good, "b/x.xml": xml(size=None)})
    assert (caught.value.place, caught.value.found) == ("in a and in b", "two of x.JPEG")


def test_a_name_that_would_break_the_csv_is_refused(tmp_path: Path) -> None:
    names = [f"{A}/a,b.xml", f'{A}/a".xml', f"{A}/a\nb.xml", f"{A}/.xml"]
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
    files = {f"{A}/.DS_Store": b"mac", f"{A}/a.xml": xml(), f"{A}/huge.xml": bytes((1 << 20) + 1)}
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
        f"{A}/.DS_Store": "a file of 3 bytes",
        f"{A}/huge.xml": f"a file of {(1 << 20) + 1} bytes",
    }
    boxes = collect(archive)
    assert {(row.file, row.kind) for row in boxes.report} == {(n, "refused") for n in reasons}
    assert boxes.xml_files == 1


@pytest.mark.parametrize("packed", [False, True])
def test_members_are_whole_wherever_a_piece_of_the_archive_ends(
    tmp_path: Path, packed: bool
) -> None:
    noise = np.random.default_rng(3)
    sizes = [0, 1, 511, 512, 513, 600_000, 3, 1 << 20, 262_144, 200_000, 200_000, 5]
    files = {f"a/{at}.xml": noise.bytes(size) for at, size in enumerate(sizes)}
    content = tar_of(files)
    archive = tmp_path / "boxes"
    archive.write_bytes(gzip.compress(content) if packed else content)
    assert dict(read_annotations(archive)) == files


def test_gzip_streams_may_follow_one_another_and_zeros_the_last(tmp_path: Path) -> None:
    content = tar_of(DEFECTS)
    archive = tmp_path / "boxes.tgz"
    half = gzip.compress(content[:5000]) + gzip.compress(content[5000:])
    archive.write_bytes(half + bytes(1 << 19))
    assert csv_bytes(collect(archive)).decode() == GOLDEN


def test_a_gzip_file_that_expands_a_thousandfold_is_read_in_pieces(tmp_path: Path) -> None:
    archive = tmp_path / "boxes.tgz"
    archive.write_bytes(gzip.compress(tar_of({"a/x.bin": bytes(30 << 20), "a/y.xml": xml()})))
    (_, refused), (name, content) = read_annotations(archive)
    assert isinstance(refused, BadAnnotation)
    assert (name, content) == ("a/y.xml", xml())


@pytest.mark.parametrize("cut", [2, 5, 30, 400, -9, -1])
def test_a_truncated_gzip_file_is_refused(tmp_path: Path, cut: int) -> None:
    archive = tmp_path / "boxes.tar.gz"
    archive.write_bytes(gzip.compress(tar_of(DEFECTS))[:cut])
    with pytest.raises(ArchiveRefused, match="ends too early") as caught:
        collect(archive)
    size = archive.stat().st_size
    assert (caught.value.file, caught.value.found) == (str(archive), "the end of the file")
    assert str(caught.value.place).startswith(f"byte {size} ")


@pytest.mark.parametrize("at", [-5, -1])
def test_a_gzip_file_with_a_wrong_crc_or_length_is_refused(tmp_path: Path, at: int) -> None:
    content = bytearray(gzip.compress(tar_of(DEFECTS)))
    content[at] ^= 1
    archive = tmp_path / "boxes.tar.gz"
    archive.write_bytes(content)
    with pytest.raises(ArchiveRefused, match="gzip stream is damaged"):
        collect(archive)


def test_what_follows_a_gzip_stream_and_is_none_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "boxes.tar.gz"
    archive.write_bytes(gzip.compress(tar_of(DEFECTS)) + b"and more of it")
    with pytest.raises(ArchiveRefused, match="gzip stream is damaged"):
        collect(archive)


@pytest.mark.parametrize("content", [b"", b"<html>" * 200, tar_of(DEFECTS)[:3000]])
def test_what_is_no_whole_tar_is_refused(tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "boxes.tar"
    archive.write_bytes(content)
    with pytest.raises(ArchiveRefused, match=r"boxes\.tar"):
        collect(archive)


def test_a_missing_archive_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ArchiveMissing):
        collect(tmp_path / "absent.tar.gz")


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


def test_the_filter_takes_one_box_out_of_the_mini_set(mini: Path) -> None:
    classes = frozenset(json.loads((mini / "EXPECTED.json").read_text())["train_classes"])
    archive = mini / "ILSVRC2012_bbox_train_v2.tar.gz"
    every, filtered = collect(archive), collect(archive, class_filter=classes)
    assert (filtered.skipped_files, filtered.skipped_boxes) == (0, 1)
    lost = Counter(csv_bytes(every).splitlines()) - Counter(csv_bytes(filtered).splitlines())
    assert list(lost) == [b"n02807133_1289.JPEG,0.0020,0.0027,0.3320,0.3333"]


def test_the_validation_boxes_of_the_mini_set_are_read_alike(mini: Path) -> None:
    boxes = collect(mini / "ILSVRC2012_bbox_val_v3.tgz")
    assert boxes.xml_files == len(boxes.files) == 49
    assert boxes.files[0].startswith("ILSVRC2012_val_")


def test_the_published_samples_give_a_box_an_object(mini: Path, tmp_path: Path) -> None:
    samples = list((mini.parent / "ilsvrc2012-facts" / "xml_samples").iterdir())
    boxes = gathered(tmp_path, {f"x/{path.name}": path.read_bytes() for path in samples})
    objects = {f"{path.stem}.JPEG": path.read_text().count("<object>") for path in samples}
    counts = np.diff(boxes.offsets).tolist()
    assert dict(zip(boxes.files, counts, strict=True)) == {k: n for k, n in objects.items() if n}
    assert boxes.report == ()
