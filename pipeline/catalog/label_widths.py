"""How many labels the images of a RecordIO file have, and whether MXNet's readers take that.

`ImageRecordIter` is told one ``label_width`` and ends at the first image of another number of
labels, in the middle of an epoch. `ImageDetRecordIter` takes detection labels of any number: a
header of A labels, of which A and B are the first two, then objects of B labels each.

Source: apache/mxnet 1.9.1, src/io/iter_image_recordio_2.cc and iter_image_det_recordio.cc.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.errors import BadAnnotation

_HEADER, _OBJECT = 2, 5  # labels, at least
_FEWEST: Final = _HEADER + _OBJECT
_DETECTION: Final = (
    "the same number for all; or detection labels,"
    " A B [header ...] (class xmin ymin xmax ymax [...])*, one object or more"
)
_AS_MANY: Final = (
    "give each image as many labels, and one object at least where they are of detection"
)


@dataclass(frozen=True)
class LabelWidths:
    """The least and the greatest number of labels of some images.

    Attributes:
        least: the least.
        most: the greatest.
        least_line: the first line of the list with that number.
        most_line: likewise of the greatest.
        detection: whether the labels of every image are those of detection.
    """

    least: int
    most: int
    least_line: int
    most_line: int
    detection: bool

    @classmethod
    def of(cls, labels: pa.ListArray, lines: NDArray[np.int64]) -> LabelWidths:
        """Return those of some images, one or more.

        Args:
            labels: of each image, float32.
            lines: (n,) where each stands in its list.
        """
        counts = np.diff(labels.offsets.to_numpy())
        least, most = int(np.argmin(counts)), int(np.argmax(counts))
        detection = bool(counts[least] >= _FEWEST) and _is_detection(labels, counts)
        return cls(
            int(counts[least]), int(counts[most]), int(lines[least]), int(lines[most]), detection
        )

    def merged_into(self, earlier: LabelWidths) -> LabelWidths:
        """Return those of these images and of earlier ones together."""
        if earlier == NO_IMAGES:
            return self
        least = self if self.least < earlier.least else earlier
        most = self if self.most > earlier.most else earlier
        both = self.detection and earlier.detection
        return LabelWidths(least.least, most.most, least.least_line, most.most_line, both)

    def check(self, file: str, otherwise: str) -> None:
        """Check that a reader of MXNet takes all of the images.

        Args:
            file: the list.
            otherwise: what one can do to have them stored all the same.

        Raises:
            BadAnnotation: their numbers differ, and they are not detection labels.
        """
        if self.least == self.most or self.detection:
            return
        raise BadAnnotation(
            f"images have from {self.least} to {self.most} labels: MXNet's ImageRecordIter takes"
            " one number, and ends at the first image of another",
            file=file,
            place=f"line {max(self.least_line, self.most_line)}",
            expected=_DETECTION,
            found=f"{self.least} in line {self.least_line}, {self.most} in line {self.most_line}",
            remedy=f"{_AS_MANY}; or {otherwise}",
        )


NO_IMAGES: Final = LabelWidths(0, 0, 0, 0, detection=True)
"""Those of no images."""


def _is_detection(labels: pa.ListArray, counts: NDArray[np.integer]) -> bool:
    values = labels.flatten().to_numpy()
    starts = np.cumsum(counts) - counts
    header, width = values[starts], values[starts + 1]
    if not ((header >= _HEADER) & (width >= _OBJECT) & (header % 1 == 0) & (width % 1 == 0)).all():
        return False
    objects = counts - header
    return bool(((objects >= width) & (objects % width == 0)).all())
