"""Numbers of labels that MXNet's readers take, and those at which they end."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.catalog.label_widths import NO_IMAGES, LabelWidths
from pipeline.errors import BadAnnotation

BOX = [0.0, 0.1, 0.1, 0.5, 0.5]
WIDE = [2.0, 6.0, *BOX, 1.0, *BOX, 0.0]


def widths(*labels: list[float], first: int = 1) -> LabelWidths:
    lines = np.arange(first, first + len(labels))
    return LabelWidths.of(pa.array(labels, pa.list_(pa.float32())), lines)


@pytest.mark.parametrize(
    "labels",
    [
        ([1.0], [2.0]),
        ([1.0, 0.0, 1.0], [0.0, 0.0, 0.0]),
        ([2.0, 5.0, *BOX], [2.0, 5.0, *BOX, *BOX], [2.0, 5.0, *BOX, *BOX, *BOX]),
        ([4.0, 5.0, 500.0, 375.0, *BOX], [2.0, 5.0, *BOX], WIDE),
    ],
)
def test_labels_that_a_reader_takes_are_taken(labels: tuple[list[float], ...]) -> None:
    found = widths(*labels)
    found.check("a.lst", "do without")
    assert (found.least, found.most) == (min(map(len, labels)), max(map(len, labels)))


@pytest.mark.parametrize(
    ("labels", "place", "said"),
    [
        (([1.0, 0.0], [1.0], [0.0, 1.0]), "line 2", "1 in line 2, 2 in line 1"),
        (([2.0, 5.0, *BOX], [2.0, 5.0]), "line 2", "2 in line 2, 7 in line 1"),
        (([4.0, 5.0, 9.0, 9.0], [4.0, 5.0, 9.0, 9.0, *BOX]), "line 2", "4 in line 1, 9 in line 2"),
        (([2.0, 5.0, *BOX], [2.0, 5.0, *BOX, *BOX[1:]]), "line 2", "7 in line 1, 11 in line 2"),
        (([2.0, 4.0, *BOX], [2.0, 4.0, *BOX, *BOX]), "line 2", "7 in line 1, 12 in line 2"),
        (([2.5, 5.0, *BOX], [2.5, 5.0, *BOX, *BOX]), "line 2", "7 in line 1, 12 in line 2"),
        (([9.0, 5.0, *BOX, 0.0, 0.0], [2.0, 5.0, *BOX]), "line 2", "7 in line 2, 9 in line 1"),
    ],
)
def test_labels_at_which_a_reader_ends_are_refused(
    labels: tuple[list[float], ...], place: str, said: str
) -> None:
    with pytest.raises(BadAnnotation) as refusal:
        widths(*labels).check("a.lst", "do without")
    assert (refusal.value.file, refusal.value.place, refusal.value.found) == ("a.lst", place, said)


def test_a_later_part_counts_too() -> None:
    box = widths([2.0, 5.0, *BOX])
    found = widths([1.0], first=8).merged_into(box)
    assert found == LabelWidths(1, 7, 8, 1, detection=False)
    assert box.merged_into(NO_IMAGES) == box
    assert widths([2.0, 5.0, *BOX, *BOX], first=2).merged_into(box).detection
