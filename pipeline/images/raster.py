"""A decoded image, and the operations on it that transforms and engines share."""

from __future__ import annotations

from typing import Any, Final, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from pipeline.errors import UsageError
from pipeline.images.bounds import MAX_PIXELS, check_size
from pipeline.images.sampling import Sampling

Pixels = npt.NDArray[np.uint8]
"""Height x width x channels: 1 gray, 3 RGB, 4 RGB and alpha; 3 unless asked for otherwise."""
Box = tuple[int, int, int, int]
"""First column and row, and one past the last ones, in pixels."""
Size = tuple[int, int]
"""Width and height in pixels."""
Color = Literal[1, 0, -1]
"""As the flag of cv2.imread: 1 is RGB, 0 gray, -1 the channels that there are."""
Filter = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
Encoding = Literal[".jpg", ".png"]

MODES: Final = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels -> colour mode."""
WIDE: Final = ";16"
"""What the mode of an image of 16 bits a sample ends with; one channel of them is ``I;16``."""

_AXES: Final = 3


class Raster(Protocol):
    """An image in memory; every verb returns another one, or itself if there is nothing to do."""

    @property
    def orientation(self) -> int:
        """The EXIF orientation that its pixels still have, 1 to 8."""

    @property
    def max_pixels(self) -> int:
        """The most pixels that an image made of this one may have."""

    @property
    def size(self) -> Size:
        """Width and height as stored."""

    @property
    def mode(self) -> str:
        """``L``, ``RGB`` or ``RGBA``; of OpenCV also ``I;16``, ``RGB;16``, ``RGBA;16``."""

    def upright(self) -> Self:
        """Turn the pixels as the orientation says."""

    def cropped(self, box: Box) -> Self:
        """Cut out a box that lies inside."""

    def resized(self, size: Size, by: Filter | None) -> Self:
        """Scale to a size; None is the engine's own filter."""

    def recoloured(self, color: Color) -> Self:
        """Convert to RGB or gray, less alpha."""

    def pixels(self) -> Pixels:
        """Return a writable copy of the pixels; of 16 bits a sample the higher 8."""

    def replaced(self, pixels: Pixels) -> Self:
        """Return other pixels, of the same orientation."""

    def encoded(self, encoding: Encoding, quality: int, sampling: Sampling) -> bytes:
        """Encode without metadata; a JPEG loses alpha."""


def checked(result: Any, transform: object, most: int = MAX_PIXELS) -> Pixels:
    """Return what a transform made, if it is an image of `most` pixels at most.

    Raises:
        UsageError: it isn't: a float tensor, a wrong shape.
        BadImage: it is larger than images may be.
    """
    if not isinstance(result, np.ndarray):
        raise _no_image(transform, f"an object of type {type(result).__name__}")
    fits = result.ndim == _AXES and result.shape[-1] in MODES
    if result.dtype != np.uint8 or not fits or not result.size:
        shape = " x ".join(map(str, result.shape))
        raise _no_image(transform, f"{result.dtype} of shape {shape or '()'}")
    check_size(result.shape[1], result.shape[0], most, planned=True)
    return result


def _no_image(transform: object, found: str) -> UsageError:
    return UsageError(
        f"{_name(transform)} returned what no JPEG or PNG can hold",
        expected="uint8 pixels, height x width x channels (1 gray, 3 RGB, 4 RGB and alpha)",
        found=found,
        remedy="return 8-bit pixels: a JPEG stores levels of 0 to 255 in rows, not a float tensor;"
        " leave ToTensor and Normalize to the program that reads the shards",
    )


def _name(transform: object) -> str:
    return getattr(transform, "__qualname__", type(transform).__qualname__)
