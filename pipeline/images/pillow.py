"""Images in memory as Pillow has them: the default way, antialiased when shrinking.

The codec is Pillow's build of libjpeg-turbo, or pillow-simd's: the same pixels, sooner.
"""

# ruff: noqa: PLC0415 - Pillow is imported where it is used: most shards decode nothing

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from pipeline.images.bounds import MAX_PIXELS
from pipeline.images.orientation import UPRIGHT
from pipeline.images.raster import Box, Color, Encoding, Filter, Pixels, Size
from pipeline.images.sampling import Sampling

if TYPE_CHECKING:
    from PIL import Image

_SAMPLINGS: Final = {"444": 0, "422": 1, "420": 2}


@dataclass(frozen=True, slots=True)
class PillowRaster:
    """An image of mode ``L``, ``RGB`` or ``RGBA``; see `Raster` for what can be done to it.

    Attributes:
        image: the decoded image.
        orientation: the EXIF orientation that it still has.
        max_pixels: how many may be made of it.
    """

    image: Image.Image
    orientation: int = UPRIGHT
    max_pixels: int = MAX_PIXELS

    @classmethod
    def of(cls, pixels: Pixels, orientation: int = UPRIGHT, max_pixels: int = MAX_PIXELS) -> Self:
        """Take uint8 pixels, height x width x 1, 3 or 4 channels."""
        from PIL import Image

        channels = pixels.shape[2]
        image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
        return cls(image, orientation, max_pixels)

    @property
    def size(self) -> Size:  # noqa: D102 - as Raster says, here and below
        return self.image.size

    @property
    def mode(self) -> str:  # noqa: D102
        return self.image.mode

    def upright(self) -> Self:  # noqa: D102
        if self.orientation == UPRIGHT:
            return self
        from PIL.Image import Transpose

        turn = (
            Transpose.FLIP_LEFT_RIGHT,
            Transpose.ROTATE_180,
            Transpose.FLIP_TOP_BOTTOM,
            Transpose.TRANSPOSE,
            Transpose.ROTATE_270,
            Transpose.TRANSVERSE,
            Transpose.ROTATE_90,
        )[self.orientation - 2]
        return replace(self, image=self.image.transpose(turn), orientation=UPRIGHT)

    def cropped(self, box: Box) -> Self:  # noqa: D102
        from PIL.Image import Resampling

        size = (box[2] - box[0], box[3] - box[1])
        # Not crop(): that one minds Pillow's global limit of pixels.
        return replace(self, image=self.image.resize(size, Resampling.NEAREST, box))

    def resized(self, size: Size, by: Filter | None) -> Self:  # noqa: D102
        from PIL.Image import Resampling

        return replace(self, image=self.image.resize(size, Resampling[(by or "lanczos").upper()]))

    def recoloured(self, color: Color) -> Self:  # noqa: D102
        mode = {1: "RGB", 0: "L", -1: self.mode}[color]
        return self if mode == self.mode else replace(self, image=self.image.convert(mode))

    def pixels(self) -> Pixels:  # noqa: D102
        pixels = np.array(self.image)
        return pixels[..., None] if pixels.ndim < len(self.image.size) + 1 else pixels

    def replaced(self, pixels: Pixels) -> Self:  # noqa: D102
        return self.of(pixels, self.orientation, self.max_pixels)

    def encoded(self, encoding: Encoding, quality: int, sampling: Sampling) -> bytes:  # noqa: D102
        output = io.BytesIO()
        self.image.info.clear()  # a comment or a profile there would be written
        if encoding == ".png":
            self.image.save(output, "PNG", compress_level=quality)
        elif self.mode == "L":
            self.image.save(output, "JPEG", quality=quality)
        else:
            chroma = _SAMPLINGS[sampling]
            self.recoloured(1).image.save(output, "JPEG", quality=quality, subsampling=chroma)
        return output.getvalue()


def zlib_version() -> str:
    """Return what deflates a PNG, for example ``zlib 1.2.13``."""
    from PIL import features

    return f"zlib {features.version_codec('zlib')}"
