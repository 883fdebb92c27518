"""Rows of a bucket in the order of their images."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.sources.openimages.selecting.spilled import at, by_image


def _rows(images: list[int]) -> pa.Table:
    return pa.table({"id": pa.array(images, pa.uint64()), "row": list(range(len(images)))})


def test_rows_of_an_image_keep_their_order() -> None:
    """The sort is a stable one."""
    rows = by_image(_rows([2, 1, 2, 1]))
    assert rows["id"].to_pylist() == [1, 1, 2, 2]
    assert rows["row"].to_pylist() == [1, 3, 0, 2]


def test_rows_in_order_are_not_copied() -> None:
    """Sorting them would take as much memory again."""
    rows = _rows([1, 2, 2, 9])
    address = rows["row"].chunk(0).buffers()[1].address
    assert by_image(rows)["row"].chunk(0).buffers()[1].address == address
    assert at(rows, np.arange(4)) is rows
    assert at(rows, np.array([0, 3]))["row"].to_pylist() == [0, 3]
