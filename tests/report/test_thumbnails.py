"""Contact sheets: how large they are, and where a thumbnail lies on one."""

from __future__ import annotations

import pytest

from pipeline.report import thumbnails
from pipeline.report.thumbnails import SIDE


@pytest.mark.parametrize(
    ("cells", "columns", "rows"), [(1, 1, 1), (3, 3, 1), (4, 4, 1), (5, 4, 2), (12, 4, 3)]
)
def test_a_sheet_is_no_wider_than_its_images_need(cells: int, columns: int, rows: int) -> None:
    size = thumbnails.sheet_size(cells)
    assert size == (columns * SIDE, rows * SIDE)
    left, top = thumbnails.corner(cells - 1, (SIDE, SIDE))
    assert left + SIDE <= size[0]
    assert top + SIDE == size[1]
