"""Images in memory as OpenCV has them: what im2rec.py and im2rec.cc make, byte for byte.

``cv2.resize`` does not antialias: fine texture that is shrunk shows moire. OpenCV is loaded when
the first image is; it is no requirement of this program.
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
from pipeline.images import foreign
from pipeline.images.bounds import MAX_PIXELS
from pipeline.images.decode import REMEDY, has_alpha, refusals
from pipeline.images.header import ImageHeader
from pipeline.images.orientation import SIDEWAYS, UPRIGHT
from pipeline.images.raster import MODES, WIDE, Box, Color, Encoding, Filter, Pixels, Size
from pipeline.images.sampling import Sampling
from pipeline.images.spec import EncodeSpec
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
_ORDERS: Final = {1: "GRAY", 3: "BGR", 4: "BGRA"}
Levels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
_DECODES: Final = frozenset({"BMP", "TIFF", "PNM"})  # of foreign formats, as im2rec does


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
    """An image as OpenCV has it; see `Raster` for what can be done to it.

    Attributes:
        array: uint8 or uint16, height x width (gray), or x 3 (BGR) or x 4 (BGR and alpha).
        orientation: the EXIF orientation that it still has.
        max_pixels: how many may be made of it.
    """

    array: Levels
    orientation: int = UPRIGHT
    max_pixels: int = MAX_PIXELS

    @classmethod
    def of(cls, pixels: Pixels, orientation: int = UPRIGHT, max_pixels: int = MAX_PIXELS) -> Self:
        """Take uint8 pixels, height x width x 1, 3 or 4 channels."""
        array = pixels[..., 0] if pixels.shape[2] == 1 else _swapped(pixels)
        return cls(array, orientation, max_pixels)

    @property
    def size(self) -> Size:  # noqa: D102 - as Raster says, here and below
        return self.array.shape[1], self.array.shape[0]

    @property
    def mode(self) -> str:  # noqa: D102
        mode = MODES[1 if self.array.ndim < _AXES else self.array.shape[2]]
        if self.array.dtype != np.uint16:
            return mode
        return ("I" if mode == "L" else mode) + WIDE

    def upright(self) -> Self:  # noqa: D102
        array: Any = self.array
        if self.orientation in SIDEWAYS:
            array = array.swapaxes(0, 1)
        if self.orientation in {3, 4, 7, 8}:
            array = array[::-1]
        if self.orientation in {2, 3, 6, 7}:
            array = array[:, ::-1]
        return replace(self, array=np.ascontiguousarray(array), orientation=UPRIGHT)

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
        channels = 1 if self.array.ndim < _AXES else self.array.shape[2]
        wanted = {1: 3, 0: 1, -1: channels}[color]
        if wanted == channels:
            return self
        way = getattr(cv2(), f"COLOR_{_ORDERS[channels]}2{_ORDERS[wanted]}")
        return replace(self, array=cv2().cvtColor(self.array, way))

    def pixels(self) -> Pixels:  # noqa: D102
        array = _eight_bits(self.array)
        return array[..., None].copy() if array.ndim < _AXES else _swapped(array)

    def replaced(self, pixels: Pixels) -> Self:  # noqa: D102
        return self.of(pixels, self.orientation, self.max_pixels)

    def encoded(self, encoding: Encoding, quality: int, sampling: Sampling) -> bytes:  # noqa: D102
        if encoding == ".png":
            options = [cv2().IMWRITE_PNG_COMPRESSION, quality]
        else:
            options = [cv2().IMWRITE_JPEG_QUALITY, quality]
            if sampling in _FACTORS and self.mode != "L":
                options += [cv2().IMWRITE_JPEG_SAMPLING_FACTOR, _FACTORS[sampling]]
        _, output = cv2().imencode(encoding, self.array, options)
        return bytes(output)


def decode(data: Buffer, header: ImageHeader, spec: EncodeSpec, orientation: int) -> OpenCVRaster:
    """Decode a JPEG or PNG whose size was found to be bearable; see `pipeline.images.decode`.

    Raises:
        BadImage: its pixels are damaged.
    """
    array = _decoded(data, header, spec)
    if array.shape[:2] != (header.height, header.width):
        raise _undecodable(header, "what OpenCV does not read")
    return OpenCVRaster(array, orientation, spec.max_pixels)


def decode_foreign(
    data: Buffer, form: str, spec: EncodeSpec
) -> tuple[OpenCVRaster, tuple[str, ...]]:
    """Decode an image in a `foreign_format`; a GIF or WebP by Pillow.

    Returns:
        The image, and what is to be noted.

    Raises:
        BadImage: as `foreign.decode_foreign`.
    """
    if form not in _DECODES:
        raster, notes = foreign.decode_foreign(data, form, spec)
        return OpenCVRaster.of(raster.pixels(), raster.orientation, spec.max_pixels), notes
    with refusals(form, f"an image that OpenCV reads as {form}"):
        image, notes = foreign.opened(data, form, spec)
        wide = foreign.is_wide(image, data, form)
    array = _decoded(data, ImageHeader(form, *image.size, image.mode), spec)
    if wide and array.dtype != np.uint16:
        notes = (*notes, "16-bit-to-8")
    if image.mode == "CMYK":
        notes = (*notes, "cmyk-to-rgb")
    if has_alpha(image) and array.shape[2:] != (4,):
        notes = (*notes, "alpha-dropped")
    return OpenCVRaster(array, UPRIGHT, spec.max_pixels), notes


def _decoded(data: Buffer, header: ImageHeader, spec: EncodeSpec) -> Levels:
    color = spec.color
    flags = color if color < 0 else color | int(cv2().IMREAD_IGNORE_ORIENTATION)
    try:
        array = cv2().imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2().error as error:
        if error.code == _NO_MEMORY:
            raise MemoryError(str(error)) from error
        raise _undecodable(header, str(error)) from error
    if array is None or array.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)}:
        raise _undecodable(header, "what OpenCV does not read")
    levels: Levels = array
    return levels if spec.keeps_depth else _eight_bits(levels)


def _eight_bits(array: Levels) -> Pixels:
    if array.dtype == np.uint16:  # where 8 bits are made of them, im2rec saturates them all
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
