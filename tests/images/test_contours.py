"""Outlines of masks: a polygon that is drawn again covers the pixels of its mask."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.images.contours import MOST_PARTS, joined, outline
from pipeline.images.opencv import cv2

installed = pytest.mark.skipif(
    importlib.util.find_spec("cv2") is None, reason="opencv-python-headless is not installed"
)
Mask = NDArray[np.bool_]


def blobs(seed: int, *, threshold: float) -> Mask:
    """Smooth noise: parts of all sizes, some with holes."""
    noise = np.random.default_rng(seed).random((180, 240)).astype(np.float32)
    mask: Mask = cv2().GaussianBlur(noise, (0, 0), 8) > threshold
    return mask


def drawn_again(polygon: NDArray[np.float64], shape: tuple[int, ...]) -> Mask:
    """Draw a polygon as readers of segments do: whole pixels, with the outline."""
    canvas = np.zeros(shape, np.uint8)
    cv2().fillPoly(canvas, [polygon.astype(np.int32)], 1)
    return canvas.astype(bool)


def iou(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


@installed
@pytest.mark.parametrize("threshold", [0.49, 0.5, 0.51])
def test_it_covers_the_mask_but_for_holes_and_lines_between_parts(threshold: float) -> None:
    mask = blobs(7, threshold=threshold)
    found = outline(mask)
    assert found is not None
    again = drawn_again(found.polygon, mask.shape)
    assert (again | ~mask).all()
    contours, _ = cv2().findContours(
        mask.astype(np.uint8), cv2().RETR_EXTERNAL, cv2().CHAIN_APPROX_NONE
    )
    filled = np.zeros(mask.shape, np.uint8)
    cv2().drawContours(filled, contours, -1, 1, -1)
    assert found.has_holes == (filled != mask).any()
    assert iou(again, filled.astype(bool)) > 0.95


@installed
def test_one_part_without_holes_is_the_mask_to_the_pixel() -> None:
    rows, columns = np.ogrid[:60, :80]
    mask = ((rows - 30) / 25) ** 2 + ((columns - 35) / 30) ** 2 < 1
    found = outline(mask)
    assert found is not None
    assert (found.parts, found.left_out, found.has_holes) == (1, 0, False)
    assert (drawn_again(found.polygon, mask.shape) == mask).all()


@installed
@pytest.mark.parametrize("box", [(3, 4, 4, 5), (3, 4, 5, 5), (3, 4, 4, 9), (0, 0, 1, 7)])
def test_a_pixel_and_a_line_have_a_polygon_too(box: tuple[int, int, int, int]) -> None:
    left, top, right, bottom = box
    mask = np.zeros((10, 10), bool)
    mask[top:bottom, left:right] = True
    found = outline(mask)
    assert found is not None
    assert len(found.polygon) == 4
    assert (drawn_again(found.polygon, mask.shape) == mask).all()


@installed
def test_no_pixel_has_no_outline() -> None:
    assert outline(np.zeros((4, 4), bool)) is None


@installed
def test_of_thousands_of_parts_the_largest_are_joined() -> None:
    mask = np.zeros((200, 200), bool)
    mask[::4, ::4] = True
    mask[100:140, 100:140] = True
    found = outline(mask)
    assert found is not None
    assert found.parts == MOST_PARTS
    assert found.left_out > 1000
    assert drawn_again(found.polygon, mask.shape)[100:140, 100:140].all()


def test_parts_are_joined_where_they_are_nearest_and_each_is_walked_once() -> None:
    square = np.array([(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0)])
    right, below = square + np.array((10.0, 0.0)), square + np.array((0.0, 9.0))
    whole = joined([square, right, below])
    assert whole.tolist() == [
        *[[0.0, 0.0], [4.0, 0.0]],
        *[[10.0, 0.0], [14.0, 0.0], [14.0, 4.0], [10.0, 4.0], [10.0, 0.0]],
        *[[4.0, 0.0], [4.0, 4.0]],
        *[[4.0, 9.0], [4.0, 13.0], [0.0, 13.0], [0.0, 9.0], [4.0, 9.0]],
        *[[4.0, 4.0], [0.0, 4.0]],
    ]
    x, y = whole.T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    assert area == 3 * 16  # what leads from one to the next has none
