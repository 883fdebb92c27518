"""YOLO with polygons: outlines of masks, and rectangles of what has none."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from describedset import drawn, made

from pipeline.errors import UsageError
from pipeline.exports import registry, yolo, yolo_segments
from pipeline.images import opencv
from pipeline.images.masks import resized

installed = pytest.mark.skipif(
    importlib.util.find_spec("cv2") is None, reason="opencv-python-headless is not installed"
)


@installed
def test_polygons_are_the_masks_and_rectangles_the_boxes(tmp_path: Path) -> None:
    described = drawn(tmp_path)
    (said, _) = made(yolo_segments.YoloSegments(), described.view())
    lines = (tmp_path / "labels/train/000a.txt").read_text().splitlines()
    (bear, waffle) = ([float(each) for each in line.split()] for line in lines)
    canvas = np.zeros((80, 160), np.uint8)
    points = np.array(bear[1:]).reshape(-1, 2) * (160, 80)
    opencv.cv2().fillPoly(canvas, [points.astype(np.int32)], 1)
    assert bear[0] == 0
    assert (canvas.astype(bool) == resized(described.masks["bear.png"], (160, 80))).all()
    assert waffle == [1, 0, 0, 1, 0, 1, 1, 0, 1]
    assert (tmp_path / "labels/train/000c.txt").read_text() == ""
    assert "2 x object without a mask, described by the rectangle of its box." in said["closing"]
    assert "1 x mask without a pixel of its object." in said["closing"]
    assert "1 x object whose box has no area left out." in said["closing"]


@installed
def test_parts_and_holes_are_counted(tmp_path: Path) -> None:
    mask = np.zeros((80, 160), np.bool_)
    mask[10:30, 10:30] = mask[50:70, 100:140] = True
    mask[15:20, 15:20] = False
    described = replace(drawn(tmp_path), masks={"bear.png": mask, "black.png": ~mask & False})
    (said, _) = made(yolo_segments.YoloSegments(), described.view())
    assert "1 x mask of several parts, which are joined by lines." in said["closing"]
    assert "1 x mask with holes, which are filled." in said["closing"]


@installed
def test_lists_and_names_are_those_of_boxes(tmp_path: Path) -> None:
    contents = []
    for place, export in enumerate((yolo.Yolo(), yolo_segments.YoloSegments())):
        folder = tmp_path / str(place)
        folder.mkdir()
        made(export, drawn(folder).view())
        contents.append([(folder / name).read_text() for name in ("yolo_train.txt", "data.yaml")])
    assert contents[0] == contents[1]


def test_polygons_and_boxes_have_one_mark_and_two_digests(tmp_path: Path) -> None:
    data = drawn(tmp_path).view()
    plans = yolo.Yolo().plan(data), yolo_segments.YoloSegments().plan(data)
    for boxes, polygons in zip(*plans, strict=True):
        assert (boxes.kind, boxes.files) == (polygons.kind, polygons.files)
        assert boxes.digest != polygons.digest
        assert polygons.made_of["form"] == "polygons"


def test_without_opencv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    opencv.cv2.cache_clear()
    with pytest.raises(UsageError, match="needs OpenCV, which is not installed") as caught:
        registry.check_installed(["yolo-segments"])
    opencv.cv2.cache_clear()
    assert ".[opencv]" in (caught.value.remedy or "")
    registry.check_installed(["yolo", "coco"])


def test_boxes_and_polygons_exclude_each_other() -> None:
    (said,) = registry.excluding(["yolo", "yolo-segments"])
    assert "write files of the same names" in said
    assert list(registry.excluding(["yolo", "coco"])) == []
