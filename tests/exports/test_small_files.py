"""Exports of a small file an image: PASCAL VOC and YOLO, file by file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from describedset import TABLE, Shown, Thing, drawn, made

from pipeline.documents import small_files
from pipeline.exports import label_map, voc, yolo
from pipeline.exports.base import SetView
from pipeline.exports.small_files import fill
from pipeline.storage import StagedFile

THINGS = [("Bear", (20, 21, 120, 62)), ("Waffle", (1, 1, 160, 80))]


def written(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.*")}


class TestVoc:
    def test_each_image_has_a_document_of_whole_pixels_from_one(self, tmp_path: Path) -> None:
        made(voc.Voc(), drawn(tmp_path).view())
        documents = written(tmp_path / "voc/Annotations/train")
        assert sorted(documents) == ["000a.xml", "000c.xml", "fffe.xml"]
        root = ET.fromstring(documents["000a.xml"])  # noqa: S314 - written here
        objects = [
            (
                each.findtext("name"),
                tuple(int(side.text or "") for side in each.iterfind("bndbox/*")),
            )
            for each in root.iterfind("object")
        ]
        assert objects == THINGS  # what has no area is no object
        assert root.findtext("filename") == "train/000a.jpg"
        assert [root.findtext(f"size/{side}") for side in ("width", "height")] == ["160", "80"]
        flags = [[each.findtext(flag) for flag in ("occluded", "truncated")] for each in root[5:]]
        assert flags == [["0", "0"], ["1", "0"]]  # -1 is not true
        assert list(ET.fromstring(documents["000c.xml"]).iterfind("object")) == []  # noqa: S314

    def test_the_list_and_the_names_of_classes_lie_beside(self, tmp_path: Path) -> None:
        said, _ = made(voc.Voc(), drawn(tmp_path).view())
        listed = (tmp_path / "voc/ImageSets/Main/train.txt").read_text()
        assert listed == "train/000a\ntrain/000c\ntrain/fffe\n"
        assert "Bear:::\nWaffle:::\n" in (tmp_path / "voc/labelmap.txt").read_text()
        assert "1 x object whose box has no area left out." in said["closing"]

    @pytest.mark.parametrize(
        ("side", "size", "pixels"),
        [
            ((0.0, 1.0), 7, (1, 7)),
            ((0.25, 0.5), 8, (3, 4)),
            ((0.26, 0.49), 8, (3, 4)),
            ((0.999, 1.0), 8, (8, 8)),
            ((0.5, 0.5001), 8, (5, 5)),
            ((float(1 / 3), float(2 / 3)), 300, (101, 200)),
        ],
    )
    def test_a_box_covers_what_was_annotated(
        self, side: tuple[float, float], size: int, pixels: tuple[int, int]
    ) -> None:
        assert voc.whole_pixels(*side, size) == pixels


class TestYolo:
    def test_each_image_has_a_file_and_a_negative_an_empty_one(self, tmp_path: Path) -> None:
        made(yolo.Yolo(), drawn(tmp_path).view())
        labels = written(tmp_path / "labels/train")
        assert sorted(labels) == ["000a.txt", "000c.txt", "fffe.txt"]
        assert labels["000c.txt"] == ""
        rows = [line.split() for line in labels["000a.txt"].splitlines()]
        assert [row[0] for row in rows] == ["0", "1"]
        x, y, width, height = map(float, rows[0][1:])
        assert x - width / 2 == pytest.approx(0.1234567890123, abs=2e-9)
        assert y + height / 2 == pytest.approx(0.7654321, abs=2e-9)
        assert rows[1][1:] == ["0.500000000", "0.500000000", "1.000000000", "1.000000000"]

    def test_lists_name_the_images_of_the_split_alone(self, tmp_path: Path) -> None:
        made(yolo.Yolo(), drawn(tmp_path).view())
        assert (tmp_path / "yolo_train.txt").read_text().splitlines() == [
            f"./images/train/{name}.jpg" for name in ("000a", "000c", "fffe")
        ]
        assert (tmp_path / "data.yaml").read_text().splitlines()[1:] == [
            "train: yolo_train.txt",
            "nc: 2",
            "names:",
            '  0: "Bear"',
            '  1: "Waffle"',
        ]


def test_the_label_map_numbers_classes_from_one(tmp_path: Path) -> None:
    data = replace(drawn(tmp_path).view(), table=replace(TABLE, words=('B"r', "B\\l")))
    made(label_map.LabelMap(), data)
    assert (tmp_path / "label_map.pbtxt").read_text().splitlines()[:5] == [
        "item {",
        '  name: "/m/01"',
        "  id: 1",
        '  display_name: "B\\"r"',
        "}",
    ]


def mapped(data: SetView, offset: int) -> SetView:
    """Return a data set in shards whose readers look labels up, which begin with `offset`."""
    split = data.splits["train"]
    shards = tuple(replace(each, label_map_offset=offset) for each in split.shards)
    return replace(data, splits={"train": replace(split, shards=shards)})


def test_the_label_map_has_the_labels_of_the_shards(tmp_path: Path) -> None:
    as_ever, *others = (mapped(drawn(tmp_path).view(), offset) for offset in (1, 7, 0))
    export = label_map.LabelMap()
    (without,) = export.plan(drawn(tmp_path).view())
    assert next(export.plan(as_ever)).digest == without.digest
    made(export, others[0])
    assert re.findall(r"  id: (.*)", (tmp_path / "label_map.pbtxt").read_text()) == ["7", "8"]
    assert next(export.plan(others[0])).digest != without.digest
    assert not any(export.refusals(others[0]))
    (refusal,) = export.refusals(others[1])
    assert "--label-offset 0" in refusal


class TestFill:
    def listing(self, out: Path, files: dict[str, bytes]) -> Path:
        path = out / "listing.parquet"
        with StagedFile(path) as staged:
            assert fill(out, out / "labels" / "a", staged, iter(files.items())) == len(files)
            staged.rename()
        return path

    def test_a_listing_says_what_is_there(self, tmp_path: Path) -> None:
        path = self.listing(tmp_path, {"x/1.txt": b"one", "y/2.txt": b"", "3.txt": b"3"})
        assert small_files.are_there(tmp_path, path)
        (rows,) = small_files.read(path)
        assert rows["file"].to_pylist() == [f"labels/a/{n}.txt" for n in ("x/1", "y/2", "3")]
        (tmp_path / "labels/a/x/1.txt").write_bytes(b"o")
        assert not small_files.are_there(tmp_path, path)

    def test_many_go_into_their_folders_piece_by_piece(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pipeline.exports.small_files._AT_ONCE", 3)
        monkeypatch.setattr("pipeline.exports.small_files._FOLDERS", 2)
        files = {f"{n % 4}/{n}.txt": b"%d" % n for n in range(20)}
        path = self.listing(tmp_path, files)
        assert small_files.are_there(tmp_path, path)
        assert len(written(tmp_path / "labels/a")) == 20

    def test_what_the_new_listing_lacks_is_removed_and_nothing_else(self, tmp_path: Path) -> None:
        self.listing(tmp_path, {"1.txt": b"1", "2.txt": b"2"})
        (tmp_path / "labels/a/mine.txt").write_text("mine")
        self.listing(tmp_path, {"2.txt": b"new"})
        assert written(tmp_path / "labels/a") == {"2.txt": "new", "mine.txt": "mine"}

    def test_nothing_half_made_stays_when_it_fails(self, tmp_path: Path) -> None:
        def failing() -> dict[str, bytes]:
            raise ValueError("no more")

        def files() -> Iterator[tuple[str, bytes]]:
            yield "1.txt", b"1"
            failing()

        with StagedFile(tmp_path / "listing") as staged, pytest.raises(ValueError, match="no more"):
            fill(tmp_path, tmp_path / "labels", staged, files())
        assert [*tmp_path.rglob("*")] == []

    def test_another_command_that_makes_the_same_files_may_be_first(self, tmp_path: Path) -> None:
        """Folders appear between the look for them and the rename."""
        files = {"x/1.txt": b"one", "2.txt": b"two"}

        def overtaken() -> Iterator[tuple[str, bytes]]:
            yield from files.items()
            self.listing(tmp_path, files | {"x/other.txt": b"o"})

        with StagedFile(tmp_path / "mine.parquet") as staged:
            assert fill(tmp_path, tmp_path / "labels/a", staged, overtaken()) == len(files)
        folder = tmp_path / "labels/a"
        assert {name: (folder / name).read_bytes() for name in files} == files
        assert sorted(path.name for path in folder.rglob("*")) == [
            "1.txt",
            "2.txt",
            "other.txt",
            "x",
        ]


def test_objects_of_an_image_whose_name_has_folders(tmp_path: Path) -> None:
    shown = {"n01/a": Shown((10, 10), (Thing(0, (0.1, 0.1, 0.3, 0.3)),))}
    made(yolo.Yolo(), replace(drawn(tmp_path), images=shown, attribution=None).view())
    assert (tmp_path / "labels/train/n01/a.txt").read_text().startswith("0 0.2")
