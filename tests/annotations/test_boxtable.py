"""bboxes.csv read back: the numbers of the scripts, boxes by name, damaged lines."""

from __future__ import annotations

import gzip
import io
import tarfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from support import RawSet

from pipeline.annotations import bboxes, boxtable
from pipeline.annotations.boxtable import BoxTable
from pipeline.errors import OutputDamaged, Vanished

BOXES = "ILSVRC2012_bbox_train_v2.tar.gz"
LINES = [
    "a.JPEG,0.1000,0.2000,0.3000,0.4000",
    "b.JPEG,0.0001,0.0000,1.0000,0.9999",
    "b.JPEG,0.5000,0.5000,0.5000,0.5000",
    "c-1.JPEG,0.0000,0.0000,1.0000,1.0000",
    "c.JPEG,0.1234,0.2345,0.3456,0.4567",
    "é.JPEG,0.1000,0.2000,0.3000,0.4000",
]


def read(folder: Path, *lines: str, end: str = "\n") -> BoxTable:
    path = folder / "some.csv"
    path.write_bytes(("\n".join(lines) + end).encode())
    return boxtable.read(path)


def refused(folder: Path, *lines: str, end: str = "\n") -> OutputDamaged:
    with pytest.raises(OutputDamaged) as caught:
        read(folder, *lines, end=end)
    assert caught.value.file == str(folder / "some.csv")
    assert caught.value.remedy
    return caught.value


def scripts_reading(path: Path) -> dict[str, list[float]]:
    """Read as Inception's build_imagenet_data does; its records hold float32."""
    found: dict[str, list[float]] = {}
    for line in path.read_text().splitlines():
        name, *corners = line.split(",")
        found.setdefault(name, []).extend(float(np.float32(float(each))) for each in corners)
    return found


def test_a_table_has_names_offsets_and_corners(tmp_path: Path) -> None:
    table = read(tmp_path, *LINES)
    assert table.files.equals(pa.array(["a.JPEG", "b.JPEG", "c-1.JPEG", "c.JPEG", "é.JPEG"]))
    assert table.offsets.tolist() == [0, 1, 3, 4, 5, 6]
    assert (str(table.offsets.dtype), str(table.corners.dtype)) == ("int64", "float32")
    assert table.corners.shape == (6, 4)
    assert table.corners[1].tolist() == np.array([0.0001, 0, 1, 0.9999], np.float32).tolist()


def test_every_coordinate_is_the_float32_that_the_scripts_read(tmp_path: Path) -> None:
    texts = [f"{value / 10_000:.4f}" for value in range(10_001)]
    table = read(tmp_path, *(f"a.JPEG,{text},0.0000,1.0000,{text}" for text in texts))
    expected = np.array([float(text) for text in texts], np.float64).astype(np.float32)
    assert np.array_equal(table.corners[:, 0], expected)
    assert np.array_equal(table.corners[:, 3], expected)


def test_lookup_gives_each_name_its_boxes_flat_and_in_order(tmp_path: Path) -> None:
    names = ["c.JPEG", "absent.JPEG", "b.JPEG", "a.JPEG", "b.JPEG", "é.JPEG"]
    lists, unused = read(tmp_path, *LINES).lookup(names)
    expected = scripts_reading(tmp_path / "some.csv")
    assert lists.type == pa.list_(pa.float32())
    assert lists.null_count == 0
    assert lists.to_pylist() == [expected.get(name, []) for name in names]
    assert len(lists[2]) == 8
    assert unused == 1  # that of c-1.JPEG


@pytest.mark.parametrize(
    ("names", "unused"), [([], 6), (["x.JPEG"], 6), (["b.JPEG", "x.JPEG", "b.JPEG"], 4)]
)
def test_lookup_counts_the_boxes_of_pictures_that_nobody_asked_for(
    tmp_path: Path, names: list[str], unused: int
) -> None:
    table = read(tmp_path, *LINES)
    lists, found = table.lookup(names)
    assert (len(lists), found) == (len(names), unused)
    assert table.lookup(names)[1] == unused


def test_names_may_be_an_arrow_array_even_a_slice_of_one(tmp_path: Path) -> None:
    names = pa.array(["a.JPEG", "b.JPEG", None, "é.JPEG"])
    lists, unused = read(tmp_path, *LINES).lookup(names[1:])
    assert [len(each) for each in lists.to_pylist()] == [8, 0, 4]
    assert unused == 3


def test_the_same_lookup_gives_the_same_buffers(tmp_path: Path) -> None:
    written = []
    for _ in range(2):
        lists, _unused = read(tmp_path, *LINES).lookup(["b.JPEG", "x.JPEG", "a.JPEG"])
        target = io.BytesIO()
        with pa.ipc.new_file(target, pa.schema([("boxes", lists.type)])) as writer:
            writer.write(pa.record_batch([lists], ["boxes"]))
        written.append(target.getvalue())
        assert lists.offsets.to_pylist() == [0, 8, 8, 12]
    assert written[0] == written[1]


def test_a_table_without_a_line_has_no_boxes(tmp_path: Path) -> None:
    table = read(tmp_path, end="")
    assert (len(table.files), table.offsets.tolist(), table.corners.shape) == (0, [0], (0, 4))
    lists, unused = table.lookup(["a.JPEG", "b.JPEG"])
    assert (lists.to_pylist(), unused) == ([[], []], 0)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "b.JPEG",
        ",0.1000,0.2000,0.3000,0.4000",
        ".JPEG,0.1000,0.2000,0.3000,0.4000",
        "b.jpg,0.1000,0.2000,0.3000,0.4000",
        "b.JPEG,0.1000,0.2000,0.3000",
        "b.JPEG,0.1000,0.2000,0.3000,0.4000,0.5000",
        "b.JPEG,0.1000,0.2000,0.3000,0.400",
        "b.JPEG,0.1000,0.2000,0.3000,0.40000",
        "b.JPEG,0.1000,0.2000,0.3000,0.4000\r",
        "b.JPEG,0.1000,0.2000,0.3000,0,4000",
        "b.JPEG;0.1000;0.2000;0.3000;0.4000",
        "b.JPEG,0.1000,0.2000,0.3000,0.4e00",
        "b.JPEG,0.1000,0.2000,0.3000,0./000",
        "b.JPEG,0.1000,0.2000,0.3000,1.0001",
        "b.JPEG,0.1000,0.2000,0.3000,2.0000",
        "b.JPEG,0.1000,0.2000,0.0999,0.4000",
        "b.JPEG,0.1000,0.2000,0.3000,0.1999",
        '"b.JPEG",0.1000,0.2000,0.3000,0.4000',
        'b".JPEG,0.1000,0.2000,0.3000,0.4000',
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    error = refused(tmp_path, *LINES[:1], line, *LINES[3:])
    assert (error.place, error.found) == ("line 2", repr(line))
    assert str(error.expected).startswith('"<name>.JPEG,<xmin>')


def test_a_short_first_line_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path, "a").place == "line 1"
    assert refused(tmp_path, "", *LINES).place == "line 1"


@pytest.mark.parametrize("cut", [1, 5, 34])
def test_a_table_that_was_cut_off_is_refused(tmp_path: Path, cut: int) -> None:
    last = LINES[1][: len(LINES[1]) + 1 - cut]
    error = refused(tmp_path, LINES[0], last, end="")
    assert (error.place, error.expected) == ("line 2", "a line that ends in LF")


def test_zeros_where_the_disk_lost_a_page_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, LINES[0], "\0" * len(LINES[1]), LINES[3]).place == "line 2"
    assert refused(tmp_path, LINES[0], end="\n" + "\0" * 512).place == "line 2"


def test_bytes_that_are_no_utf_8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_bytes("\n".join([*LINES, ""]).encode().replace(b"c-1", b"c\xff1"))
    with pytest.raises(OutputDamaged) as caught:
        boxtable.read(path)
    assert (caught.value.place, caught.value.expected) == ("line 4", "UTF-8")
    assert caught.value.found == r"'c\xff1.JPEG,0.0000,0.0000,1.0000,1.0000'"


@pytest.mark.parametrize(
    ("order", "line"), [((1, 0), 2), ((0, 1, 2, 0), 4), ((0, 4, 3), 3), ((0, 5, 3), 3)]
)
def test_names_out_of_order_are_refused(tmp_path: Path, order: tuple[int, ...], line: int) -> None:
    error = refused(tmp_path, *(LINES[at] for at in order))
    name = LINES[order[-1]].partition(",")[0]
    assert (error.place, error.found) == (f"line {line}", repr(name))
    assert "C order" in str(error.expected)


def test_a_missing_table_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(Vanished):
        boxtable.read(tmp_path / "absent.csv")


def test_the_boxes_of_a_set_come_back_as_they_were_written(raw_set: RawSet, tmp_path: Path) -> None:
    written = bboxes.collect(raw_set.raw / BOXES)
    path = tmp_path / "boxes.csv"
    path.write_bytes(b"".join(bboxes.csv_pieces(written)))
    table = boxtable.read(path)
    assert table.files.to_pylist() == written.files.to_pylist()
    assert len(written.files) > 50
    assert np.array_equal(table.offsets, written.offsets)
    assert np.abs(table.corners - written.corners).max() <= 0.5e-4 + 1e-7
    lists, unused = table.lookup(written.files.to_pylist())
    assert unused == 0
    assert lists.to_pylist() == list(scripts_reading(path).values())
    for row, (first, last) in zip(lists, pairwise(written.offsets), strict=True):
        assert len(row) == 4 * (last - first)


def test_any_name_that_the_writer_accepts_is_read(tmp_path: Path) -> None:
    names = ["a b", "a.JPEG", "ünï", "%s", "x;y", "'", "\u65e5", "\U0001f600"]
    xml = (
        b"<annotation><size><width>9</width><height>9</height></size><object><bndbox><xmin>1</xmin>"
        b"<ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></object></annotation>"
    )
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name in names:
            info = tarfile.TarInfo(f"n/{name}.xml")
            info.size = len(xml)
            tar.addfile(info, io.BytesIO(xml))
    archive = tmp_path / "boxes.tgz"
    archive.write_bytes(gzip.compress(target.getvalue()))
    path = tmp_path / "boxes.csv"
    path.write_bytes(b"".join(bboxes.csv_pieces(bboxes.collect(archive))))
    assert boxtable.read(path).files.to_pylist() == sorted(f"{name}.JPEG" for name in names)


def test_a_file_is_read_in_pieces_of_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bboxes.csv"
    path.write_text("".join(f"{line}\n" for line in LINES))
    whole = boxtable.read(path)
    for step in (1, 40, 64, 1000):
        monkeypatch.setattr(boxtable, "_STEP", step)
        found = boxtable.read(path)
        assert (found.files, found.offsets.tolist()) == (whole.files, whole.offsets.tolist())
        assert found.corners.tolist() == whole.corners.tolist()
    path.write_text("".join(f"{line}\n" for line in [*LINES, LINES[0][:-1]]))
    with pytest.raises(OutputDamaged) as refusal:
        boxtable.read(path)
    assert refusal.value.place == f"line {len(LINES) + 1}"
