"""Polygons of `--export yolo-segments`, drawn by OpenCV as Ultralytics draws them.

What they have to be is read from the masks that were collected, with Pillow, and from the table of
annotations, whose rows are in the order of the lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image
from support import shardmill

from pipeline.images.opencv import cv2

SPLITS = ("train", "validation", "test")
CLASSES = ("Bear", "Waffle", "Handgun", "Car")
IMAGES_ARE_ABSENT = 4


def make(openimages: Path, out: Path, *words: str) -> None:
    where = ("--raw", openimages / "raw", "--config", openimages / "openimages.toml", "--out", out)
    classes = [word for name in CLASSES for word in ("--class", name)]
    run = shardmill("openimages", *where, *classes, "--masks", "--format", "none", *words)
    assert run.returncode in {0, IMAGES_ARE_ABSENT}, run.stderr


@pytest.fixture(scope="module")
def made(openimages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("segments") / "out"
    make(openimages, out, "--export", "yolo-segments")
    return out


def objects(out: Path, split: str) -> Iterator[tuple[dict[str, Any], list[str], Path]]:
    """Yield each annotation with the numbers of its line, and the path of its image."""
    rows = pq.read_table(out / f"annotations/{split}.parquet").to_pylist()
    for label in sorted((out / "labels" / split).glob("*.txt")):
        of_image = [row for row in rows if row["image_id"] == label.stem]
        lines = label.read_text().splitlines()
        assert len(lines) == len(of_image)
        image = out / "images" / split / f"{label.stem}.jpg"
        for row, line in zip(of_image, lines, strict=True):
            yield row, line.split(), image


def drawn(numbers: list[str], size: tuple[int, int]) -> NDArray[np.bool_]:
    points = np.array(numbers, np.float64).reshape(-1, 2) * size
    canvas = np.zeros(size[::-1], np.uint8)
    cv2().fillPoly(canvas, [points.astype(np.int32)], 1)
    return canvas.astype(bool)


@pytest.mark.parametrize("split", SPLITS)
def test_polygons_cover_their_masks(made: Path, split: str) -> None:
    compared = 0
    for row, (class_index, *numbers), image in objects(made, split):
        assert int(class_index) == row["class_index"]
        with Image.open(image) as opened:
            size = opened.size
        path = made / "masks" / split / (row["mask"] or "none")
        mask = None
        if path.is_file():
            with Image.open(path) as opened:
                mask = np.array(opened.convert("L").resize(size, Image.Resampling.NEAREST)) > 0
        if mask is None or not mask.any():
            box = [row[side] for side in ("xmin", "ymin", "xmax", "ymin", "xmax", "ymax", "xmin")]
            assert [*map(float, numbers)] == pytest.approx([*box, row["ymax"]], abs=1e-6)
        else:
            again = drawn(numbers, size)
            assert (again & mask).sum() / (again | mask).sum() >= 0.95
            compared += 1
    assert compared >= 5


def test_boxes_of_one_split_and_polygons_of_another_are_not_listed_together(
    openimages: Path, tmp_path: Path
) -> None:
    for split, export, listed in (
        ("validation", "yolo", {"val"}),
        ("test", "yolo-segments", {"test"}),
        ("validation", "yolo-segments", {"val", "test"}),
        ("test", "yolo", {"test"}),
    ):
        make(openimages, tmp_path / "out", "--split", split, "--export", export)
        lines = (tmp_path / "out/data.yaml").read_text().splitlines()
        assert {line.partition(":")[0] for line in lines if ".txt" in line} == listed
