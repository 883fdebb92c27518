"""Rows that stand in a CSV file twice are counted and said, and kept."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from annotationcsvs import BEAR, CAT, Annotations, chosen, image, selected

from pipeline.sources.openimages.selecting.doubled import count_doubled
from pipeline.sources.openimages.selecting.selected_counts import DOUBLED_BOXES, DOUBLED_MASKS

ONE, TWO = image(1), image(2, "f")
OTHER = (0.1, 0.5, 0.2, 0.7)


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_doubled_where_every_column_is_the_same(seed: int) -> None:
    random = Random(seed)
    rows = [
        (random.randrange(4), random.choice((0.25, 0.5)), random.randrange(-1, 2)) for _ in "x" * 50
    ]
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    assert count_doubled(columns) == len(rows) - len(set(rows))
    assert count_doubled([np.arange(50), *columns]) == 0


def test_no_rows_are_not_doubled_and_numbers_are_the_same_however_spelled() -> None:
    assert count_doubled([np.zeros(0), np.zeros(0, np.int32)]) == 0
    assert count_doubled([np.array([0.0, -0.0]), np.array([np.nan, np.nan])]) == 1


def test_doubled_boxes_are_counted_and_kept(tmp_path: Path) -> None:
    found = Annotations()
    for image_id, label, corners, source in (
        (ONE, BEAR, OTHER, "xclick"),
        (TWO, CAT, OTHER, "xclick"),
        (ONE, BEAR, OTHER, "xclick"),
        (ONE, BEAR, OTHER, "activemil"),
        (TWO, BEAR, OTHER, "xclick"),
        (ONE, BEAR, (0.1, 0.5, 0.2, 0.6), "xclick"),
        (ONE, BEAR, OTHER, "xclick"),
        (TWO, CAT, OTHER, "xclick"),  # of no chosen class
    ):
        found.box(image_id, label, corners, source=source)
    few = selected(tmp_path, found, chosen(BEAR))
    assert few.mark.counts == {DOUBLED_BOXES: 2}
    assert few.mark.objects == 6
    (said,) = few.mark.closing[1:]
    assert said.startswith("2 boxes have the image, class, corners and source of another")


def test_doubled_masks_are_counted_and_kept(tmp_path: Path) -> None:
    found = Annotations()
    found.box(ONE, BEAR)
    for box_id in ("0a", "0a", "0b"):
        found.mask(ONE, BEAR, box_id)
    few = selected(tmp_path, found, chosen(BEAR), kinds=("boxes", "masks"))
    assert few.mark.counts == {DOUBLED_MASKS: 1, "masks without box": 2}
    assert any(line.startswith("1 mask has the name, corners") for line in few.mark.closing)
