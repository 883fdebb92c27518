"""YOLO with polygons: as `yolo`, but each line is ``class x1 y1 x2 y2 ...``, fractions.

Source: ultralytics 8, data/utils.py (`verify_image_label`: lines of more than 6 numbers are
polygons) and data/converter.py. A polygon is the outline of the mask at the size of its image;
several parts are joined by lines that are walked there and back, and holes are filled. An object
without a mask has the polygon of its box.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pipeline.errors import UsageError
from pipeline.exports.base import SplitView
from pipeline.exports.described_images import DescribedImage, DescribedObject, Tally
from pipeline.exports.masks_of_objects import mask_of
from pipeline.exports.yolo import EMPTY, OTHER_CLASS, Yolo, clipped
from pipeline.images.contours import MOST_PARTS, outline, rectangle
from pipeline.images.opencv import cv2

_OF_BOX: Final = "object without a mask, described by the rectangle of its box"
_JOINED: Final = "mask of several parts, which are joined by lines"
_FILLED: Final = "mask with holes, which are filled"
_SMALL: Final = f"mask of more than {MOST_PARTS} parts, of which the smallest are left out"

Polygon = Iterable[tuple[float, float]]
"""Fractions of width and height of the image."""


class YoloSegments(Yolo):
    """The outlines of the objects on each image, as Ultralytics reads them."""

    name = "yolo-segments"
    excludes = ("yolo",)
    needs_masks = True
    form = "polygons"

    def check_installed(self) -> None:
        """Check that OpenCV is there.

        Raises:
            UsageError: it is not.
        """
        try:
            cv2()
        except UsageError as error:
            raise UsageError(
                f"--export {self.name} needs OpenCV, which is not installed",
                expected=error.expected,
                found=error.found,
                remedy="run pip install '.[opencv]' in the checkout of shardmill; or say --export"
                " yolo, which has boxes",
            ) from error

    def lines(self, split: SplitView, image: DescribedImage, tally: Tally) -> Iterator[str]:
        """Yield the line of each object on an image that has a mask or an area."""
        for one in image.objects:
            if one.class_index < 0:
                tally.note(OTHER_CLASS)
                continue
            polygon = _polygon(split, image, one, tally)
            if polygon is None:
                tally.note(EMPTY)
            else:
                numbers = " ".join(f"{x:.6f} {y:.6f}" for x, y in polygon)
                yield f"{one.class_index} {numbers}\n"


def _polygon(
    split: SplitView, image: DescribedImage, one: DescribedObject, tally: Tally
) -> Polygon | None:
    """Return the polygon of an object; None: it has neither a mask nor an area."""
    mask = mask_of(split, image, one, tally)
    found = None if mask is None else outline(mask)
    if found is None:
        if not one.has_area:
            return None
        tally.note(_OF_BOX)
        return rectangle(*clipped(one))
    for note, is_so in (
        (_JOINED, found.parts > 1),
        (_FILLED, found.has_holes),
        (_SMALL, found.left_out > 0),
    ):
        if is_so:
            tally.note(note)
    width, height = image.width, image.height
    return [(x / width, y / height) for x, y in found.polygon.tolist()]
