"""Boxes of annotations that lie in folders are those of their archive."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from annotationfiles import DEFECTS, GOLDEN, A, B, C, box, csv_bytes, gathered, unpacked, xml

from pipeline.annotations.bboxes import (
    closing_lines,
    collect,
    report_bytes,
)
from pipeline.errors import ArchiveRefused, TreeRefused


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
