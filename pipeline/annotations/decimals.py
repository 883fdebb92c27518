"""Fractions with four decimals, as ``%.4f`` writes them: a hundred thousand at a time."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_ONE: Final = 10_000
_NEAR: Final = 1e-6
_PLACES: Final = np.array([10_000, 1_000, 100, 10, 1])
_LAYOUT: Final = b",0.0000"


def rounded(fractions: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return fractions, in 0..1 and of any shape, in ten-thousandths, rounded as ``%.4f`` does.

    That rounds the exact value of the float, and most of those that look like a tie are none:
    these are left to it.
    """
    scaled = fractions * _ONE
    nearest = np.rint(scaled)
    ties = np.abs(scaled - np.floor(scaled) - 0.5) < _NEAR
    nearest[ties] = [round(float(f"{value:.4f}") * _ONE) for value in fractions[ties].tolist()]
    return nearest.astype(np.int32)


def as_float32(fractions: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the float32 nearest to the four decimals of each fraction.

    It is what the scripts of TensorFlow's Inception read of bboxes.csv.
    """
    return rounded(fractions).astype(np.float32) / np.float32(_ONE)


def four_decimals(boxes: NDArray[np.float64]) -> list[bytes]:
    """Return the text of each box of (n, 4) fractions: four times a comma and the number."""
    digits = rounded(boxes)[..., None] // _PLACES % 10
    text = np.empty((*boxes.shape, len(_LAYOUT)), np.uint8)
    text[:] = np.frombuffer(_LAYOUT, np.uint8)
    text[..., [1, 3, 4, 5, 6]] += digits.astype(np.uint8)
    lines: list[bytes] = text.reshape(len(boxes), -1).view(f"S{4 * len(_LAYOUT)}").ravel().tolist()
    return lines
