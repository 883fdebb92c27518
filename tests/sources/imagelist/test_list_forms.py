"""Image lists of other programs and systems: named by their form, and the remedy works."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline.errors import BadAnnotation
from pipeline.sources.imagelist import list_forms as listforms
from pipeline.sources.imagelist import lst


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("train/a/x.JPEG 0", "the form of Caffe"),
        ("train/a/x.jpeg\t12", "the form of Caffe"),
        ("a b/c d.png -1.5", "the form of Caffe"),
        ("a.jpg 1 2 3", "a path and then several numbers"),
        ("a.jpg 1,2,30,40,0 5,6,7,8,1", "a path and then boxes"),
        ("a.jpg,1", "commas"),
        ('"a.jpg";"1"', "commas"),
        ("0,1,train/a.jpg", "commas"),
        ("train/a/x.JPEG", "a path without an id"),
        ('{"image": "a.jpg", "label": 1}', "JSON"),
        ("id label path", "a header"),
        ("image\tclass", "a header"),
    ],
)
def test_a_form_is_named(tmp_path: Path, line: str, name: str) -> None:
    path = tmp_path / "a.lst"
    path.write_bytes(f"{line}\r\n0\t1\ta.jpg\n".encode())
    with pytest.raises(BadAnnotation, match=f"not im2rec's form .*{name}") as refusal:
        list(lst.read(path))
    assert refusal.value.place == "line 1"
    assert refusal.value.remedy
    assert refusal.value.exit_status == 3


@pytest.mark.parametrize(
    "line", ["x\t1\tcats/0.jpg", "1\tone\tcats/0.jpg", "x 1 cats/0.jpg", "1\tcats/0.jpg", "0 1"]
)
def test_a_line_that_is_only_wrong_has_no_form(line: str) -> None:
    assert listforms.recognised(line, 1) is None
    assert listforms.recognised("id label path", 2) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"train/a b/x.JPEG 3\nval/y.png\t-1\r\n", "Caffe"),
        ("\ufeff0\t3\ttrain/a b/x.JPEG\r\n1\t-1\tval/y.png\r\n".encode("utf-16-le"), "UTF-16"),
        ("\ufeff0\t3\ttrain/a b/x.JPEG\r\n1\t-1\tval/y.png\r\n".encode("utf-16-be"), "UTF-16"),
        ("0\t3\ttrain/a b/x.JPEG\n1\t-1\tval/y.png\n".encode("utf-16-le"), "UTF-16"),
        (b"0\t3\ttrain/a b/x.JPEG\r1\t-1\tval/y.png\r", "CR alone"),
    ],
    ids=["Caffe", "UTF-16 LE", "UTF-16 BE", "UTF-16 without a mark", "CR"],
)
def test_the_command_of_a_remedy_makes_a_list(tmp_path: Path, content: bytes, said: str) -> None:
    path, new = tmp_path / "LIST", tmp_path / "NEW.lst"
    path.write_bytes(content)
    with pytest.raises(BadAnnotation, match=said) as refusal:
        list(lst.read(path))
    command = str(refusal.value.remedy).partition(": ")[2]
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    (table,) = lst.read(new)
    assert table["id"].to_pylist() == [0, 1]
    assert table["labels"].to_pylist() == [[3.0], [-1.0]]
    assert table["path"].to_pylist() == ["train/a b/x.JPEG", "val/y.png"]


def test_blanks_marks_and_line_ends_of_other_systems_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.lst").write_bytes(b"\xef\xbb\xbf0 3 train/x.JPEG\r\n1  -1 val/y.png\r\n")
    (table,) = lst.read(tmp_path / "a.lst")
    assert table["path"].to_pylist() == ["train/x.JPEG", "val/y.png"]
