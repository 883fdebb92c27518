"""Transforms that training programs do to images: here they change nothing.

MXNet's document about `im2rec` ends its transforms with ``ToTensor()`` and ``Normalize(0, 1)``. A
JPEG or PNG stores levels of 0 to 255 in rows, so the program that reads the records makes the
tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np

from pipeline.errors import UsageError
from pipeline.images.raster import Raster
from pipeline.images.transform import BuiltIn

_R = TypeVar("_R", bound=Raster)


@dataclass(frozen=True)
class ToTensor(BuiltIn):
    """Leave the pixels as they are: an image stores levels of 0 to 255, not a float tensor.

    It stands where MXNet's has its place, at the end; the program that trains makes the tensor.
    """

    is_for_training: ClassVar[bool] = True

    def on(self, raster: _R) -> _R:
        """Return the image as it is: the program that trains does the rest."""
        return raster


@dataclass(frozen=True)
class Normalize(BuiltIn):
    """Leave the pixels as they are, behind `ToTensor`: ``Normalize(0, 1)`` changes no value.

    Attributes:
        mean: what would be subtracted, one number or one a channel: 0.
        std: what would be divided by: 1.

    Raises:
        UsageError: they would change values, which no JPEG or PNG could then store.
    """

    mean: float | Sequence[float] = 0.0
    std: float | Sequence[float] = 1.0
    is_for_training: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, keeps in (("mean", 0), ("std", 1)):
            value = getattr(self, name)
            if not _all(value, keeps):
                raise UsageError(
                    "normalised values cannot be stored in an image",
                    expected="Normalize(0, 1), which changes none",
                    found=f"{name}={value!r}",
                    remedy="leave Normalize to the program that trains on the records",
                )
            if not isinstance(value, int | float):
                object.__setattr__(self, name, tuple(map(float, value)))

    def on(self, raster: _R) -> _R:
        """Return the image as it is: the program that trains does the rest."""
        return raster


def _all(values: object, number: float) -> bool:
    try:
        return bool(np.all(np.asarray(values, np.float64) == number))
    except (TypeError, ValueError):
        return False
