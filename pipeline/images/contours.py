"""Outlines of masks as polygons, found by OpenCV, which is loaded when the first one is.

A vertex is the centre of a pixel, in pixels from the upper left corner of the image: whoever draws
the polygon with its outline, as ``cv2.fillPoly`` does, has the pixels of the mask again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.images.masks import Mask
from pipeline.images.opencv import cv2

Points = npt.NDArray[np.float64]
"""Vertices, n x 2: x and y in pixels."""

MOST_PARTS: Final = 64
"""Parts of a mask that are joined: the largest ones. Masks of noise have thousands."""
_CORNERS: Final = 3
_CENTRE: Final = 0.5
_INSET: Final = 0.25  # keeps the corners of a rectangle within its outermost pixels


@dataclass(frozen=True, eq=False)
class Outline:
    """The outline of a mask.

    Attributes:
        polygon: of all parts together.
        parts: how many there are.
        left_out: how many more there are, each smaller than all of these.
        has_holes: whether the polygon covers pixels inside that are not the mask's.
    """

    polygon: Points
    parts: int
    left_out: int
    has_holes: bool


def outline(mask: Mask) -> Outline | None:
    """Return the outline of a mask; None: it has no pixel.

    Parts that do not touch are joined by lines that are walked there and back: see `joined`. What
    a polygon cannot say is that there is a hole in it: holes are filled.

    Raises:
        UsageError: OpenCV is not installed.
    """
    library = cv2()
    all_contours, hierarchy = library.findContours(
        mask.astype(np.uint8), library.RETR_CCOMP, library.CHAIN_APPROX_SIMPLE
    )
    if hierarchy is None:
        return None
    outer = hierarchy[0, :, 3] < 0  # what has no parent is no hole
    contours = [each[:, 0] for each, is_outer in zip(all_contours, outer, strict=True) if is_outer]
    contours.sort(key=lambda each: (-library.contourArea(each), each.tolist()))
    kept = contours[:MOST_PARTS]
    polygon = joined([_polygon(each) for each in kept])
    return Outline(polygon, len(kept), len(contours) - len(kept), not outer.all())


def _polygon(contour: npt.NDArray[np.int32]) -> Points:
    """Return a contour as a polygon: a pixel, or two in a row, as a rectangle within them."""
    if len(contour) >= _CORNERS:
        return contour.astype(np.float64) + _CENTRE
    (left, top), (right, bottom) = contour.min(axis=0), contour.max(axis=0)
    left, top = left + _INSET, top + _INSET
    right, bottom = right + 1 - _INSET, bottom + 1 - _INSET
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def joined(polygons: Sequence[Points]) -> Points:
    """Return one polygon of several.

    Each is put in where it comes nearest to those before it: a line leads to it, all of it is
    walked, and the same line leads back.
    """
    whole = polygons[0]
    for polygon in polygons[1:]:
        leave, arrive = _nearest(whole, polygon)
        round_trip = np.roll(polygon, -arrive, axis=0)
        whole = np.concatenate([whole[: leave + 1], round_trip, round_trip[:1], whole[leave:]])
    return whole


def _nearest(one: Points, other: Points) -> tuple[int, int]:
    """Return which vertices of two polygons are nearest to each other; the first ones of several.

    One vertex of `other` at a time: all pairs of two long outlines would not be small.
    """
    best = (np.inf, 0, 0)
    for place, point in enumerate(other):
        distances = ((one - point) ** 2).sum(axis=1)
        nearest = int(distances.argmin())
        best = min(best, (float(distances[nearest]), nearest, place))
    return best[1], best[2]


def rectangle(xmin: float, ymin: float, xmax: float, ymax: float) -> Iterable[tuple[float, float]]:
    """Return the corners of a box, clockwise from the upper left one."""
    return (xmin, ymin), (xmax, ymin), (xmax, ymax), (xmin, ymax)
