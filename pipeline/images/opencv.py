"""Pictures in memory as OpenCV has them: what im2rec.py and im2rec.cc make, byte for byte.

``cv2.resize`` does not antialias: fine texture that is shrunk shows moire. OpenCV is loaded when
the first picture is; it is no requirement of this program.
"""

from __future__ import annotations

import functools
import importlib
import re
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from pipeline.errors import BadImage, UsageError
from pipeline.images.decode import REMEDY
from pipeline.images.header import ImageHeader
from pipeline.images.orientation import SIDEWAYS, UPRIGHT
from pipeline.images.raster import MODES, Box, Color, Encoding, Filter, Pixels, Size
from pipeline.images.sampling import Sampling
from pipeline.images.segments import is_whole
from pipeline.storage import Buffer

_FACTORS: Final = {"444": 0x111111, "422": 0x211111}  # 4:2:0 is OpenCV's own
_FILTERS: Final = {
    "nearest": "INTER_NEAREST",
    "box": "INTER_AREA",
    "bilinear": "INTER_LINEAR",
    "bicubic": "INTER_CUBIC",
    "lanczos": "INTER_LANCZOS4",
}
_LIBRARY: Final = re.compile(r"^ *(JPEG|ZLib): +(.+?) *$", re.MULTILINE)
_AXES: Final = 3
_NO_MEMORY: Final = -4  # cv::Error::StsNoMem


@functools.cache
def cv2() -> Any:
    """Load OpenCV, for one thread.

    Raises:
        UsageError: it is not installed.
    """
    try:
        module = importlib.import_module("cv2")
    except ImportError as error:
        raise UsageError(
            "the image engine opencv is not installed",
            expected="the module cv2",
            found=str(error),
            remedy="pip install opencv-python-headless, or use the engine pillow",
        ) from error
    module.setNumThreads(1)  # its threads do not outlive a fork, and shards share the cores
    return module


def codec(encoding: Encoding = ".jpg") -> str:
    """Return name and version: ``opencv 4.11.0 / build-libjpeg-turbo (ver 3.0.3-70)``."""
    built = dict(_LIBRARY.findall(cv2().getBuildInformation()))
    zlib = f" / zlib {built.get('ZLib')}" if encoding == ".png" else ""
    return f"opencv {cv2().__version__} / {built.get('JPEG', 'libjpeg')}{zlib}"


@dataclass(frozen=True, slots=True)
class OpenCVRaster:
    """A picture as OpenCV has it; see `Raster` for what can be done to it.

    Attributes:
        array: uint8, height x width (gray), or x 3 (BGR) or x 4 (BGR and alpha).
        orientation: the EXIF orientation that it still has.
    """

    array: Pixels
    orientation: int = UPRIGHT

    @classmethod
    def of(cls, pixels: Pixels, orientation: int = UPRIGHT) -> Self:
        """Take uint8 pixels, height x width x 1, 3 or 4 channels."""
        return cls(pixels[..., 0] if pixels.shape[2] == 1 else _swapped(pixels), orientation)

    @property
    def size(self) -> Size:  # noqa: D102 - as Raster says, here and below
        return self.array.shape[1], self.array.shape[0]

    @property
    def mode(self) -> str:  # noqa: D102
        return MODES[1 if self.array.ndim < _AXES else self.array.shape[2]]

    def upright(self) -> Self:  # noqa: D102
        array = self.array
        if self.orientation in SIDEWAYS:
            array = array.swapaxes(0, 1)
        if self.orientation in {3, 4, 7, 8}:
            array = array[::-1]
        if self.orientation in {2, 3, 6, 7}:
            array = array[:, ::-1]
        return type(self)(np.ascontiguousarray(array))

    def cropped(self, box: Box) -> Self:  # noqa: D102
        left, top, right, bottom = box
        return replace(self, array=self.array[top:bottom, left:right])

    def resized(self, size: Size, by: Filter | None) -> Self:  # noqa: D102
        name = _FILTERS.get(by or "bilinear")
        if name is None:
            raise UsageError(
                f"the image engine opencv has no filter {by}",
                expected=f"one of {', '.join(_FILTERS)}",
                remedy="choose another filter, or the engine pillow",
            )
        way = getattr(cv2(), name)
        return replace(self, array=cv2().resize(self.array, size, interpolation=way))

    def recoloured(self, color: Color) -> Self:  # noqa: D102
        mode = {1: "RGB", 0: "L", -1: self.mode}[color]
        if mode == self.mode:
            return self
        names = {"L": "GRAY", "RGB": "BGR", "RGBA": "BGRA"}
        way = getattr(cv2(), f"COLOR_{names[self.mode]}2{names[mode]}")
        return replace(self, array=cv2().cvtColor(self.array, way))

    def pixels(self) -> Pixels:  # noqa: D102
        gray = self.array.ndim < _AXES
        return self.array[..., None].copy() if gray else _swapped(self.array)

    def replaced(self, pixels: Pixels) -> Self:  # noqa: D102
        return self.of(pixels, self.orientation)

    def encoded(self, encoding: Encoding, quality: int, sampling: Sampling) -> bytes:  # noqa: D102
        if encoding == ".png":
            options = [cv2().IMWRITE_PNG_COMPRESSION, quality]
        else:
            options = [cv2().IMWRITE_JPEG_QUALITY, quality]
            if sampling in _FACTORS and self.mode != "L":
                options += [cv2().IMWRITE_JPEG_SAMPLING_FACTOR, _FACTORS[sampling]]
        _, output = cv2().imencode(encoding, self.array, options)
        return bytes(output)


def decode(data: Buffer, header: ImageHeader, color: Color, orientation: int) -> OpenCVRaster:
    """Decode a JPEG or PNG whose size was found to be bearable; see `pipeline.images.decode`.

    im2rec packs a picture that is cut off, gray from there on; here its end marker must be there.

    Raises:
        BadImage: its pixels are damaged or cut off.
    """
    if not is_whole(data, header.format):
        raise _undecodable(header, "the end of the file before the end of the picture")
    flags = color if color < 0 else color | int(cv2().IMREAD_IGNORE_ORIENTATION)
    try:
        array = cv2().imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2().error as error:
        if error.code == _NO_MEMORY:
            raise MemoryError(str(error)) from error
        raise _undecodable(header, str(error)) from error
    if array is None or array.shape[:2] != (header.height, header.width):
        raise _undecodable(header, "what OpenCV does not read")
    return OpenCVRaster(_eight_bits(array), orientation)


def _eight_bits(array: npt.NDArray[np.generic]) -> Pixels:
    if array.dtype == np.uint16:  # with color -1; im2rec saturates them all
        return np.asarray(array.view(np.uint16) >> 8, np.uint8)
    return np.asarray(array, np.uint8)


def _swapped(pixels: Pixels) -> Pixels:
    """Return a copy with red and blue exchanged."""
    return np.ascontiguousarray(pixels[..., [2, 1, 0, 3][: pixels.shape[2]]])


def _undecodable(header: ImageHeader, found: str) -> BadImage:
    return BadImage(
        f"{header.format} cannot be decoded",
        expected=f"{header.width} x {header.height} pixels of {header.mode}",
        found=found,
        remedy=REMEDY,
    )
