"""Decodes pictures by Pillow: JPEG and PNG, and on request what else it reads.

Alpha is dropped and never blended, 16 bits become 8 by a shift, and CMYK is taken as inverted
exactly where Adobe's APP14 segment says who wrote it: as `repair` and TensorFlow have it.
"""

# ruff: noqa: PLC0415 - Pillow is imported where it is used: most shards decode nothing

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final

from pipeline.errors import BadImage
from pipeline.images.bounds import check_size
from pipeline.images.header import ImageHeader
from pipeline.images.orientation import tiff_orientation
from pipeline.images.pillow import PillowRaster
from pipeline.images.raster import Color
from pipeline.storage import Buffer

if TYPE_CHECKING:
    from PIL import Image

REMEDY: Final = "get an intact copy of the file, or leave the image out with --on-bad-image skip"

_UNDECODABLE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    LookupError,
    TypeError,
    EOFError,
    ArithmeticError,
    struct.error,
    zlib.error,
)
_FOREIGN: Final = {
    "GIF": re.compile(rb"GIF8[79]a"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "BMP": re.compile(rb"BM"),
}
_PLUGINS: Final = {
    "JPEG": "JpegImagePlugin.JpegImageFile",
    "PNG": "PngImagePlugin.PngImageFile",
    "GIF": "GifImagePlugin.GifImageFile",
    "WEBP": "WebPImagePlugin.WebPImageFile",
    "BMP": "BmpImagePlugin.BmpImageFile",
}
_EXIF: Final = b"Exif\0\0"
_ALPHA_MODES: Final = frozenset({"LA", "PA", "RGBA"})
_GRAY_MODES: Final = frozenset({"1", "L", "LA"})


def decode(data: Buffer, header: ImageHeader, color: Color, orientation: int) -> PillowRaster:
    """Decode a JPEG or PNG whose size was found to be bearable.

    Warnings about metadata are held back, for the whole process while this runs.

    Args:
        data: the file's bytes.
        header: what they claim.
        color: the channels to give, see `Color`.
        orientation: the EXIF orientation, handed on.

    Raises:
        BadImage: its pixels are damaged or cut off.
    """
    with _refusals(header.format, f"{header.width} x {header.height} pixels of {header.mode}"):
        image = _loaded(_open(data, header.format), header, color)
        if image.size != (header.width, header.height):
            raise ValueError(f"{image.width} x {image.height} pixels")
        return PillowRaster(_converted(image, color), orientation)


def foreign_format(data: Buffer) -> str | None:
    """Return ``GIF``, ``WEBP`` or ``BMP`` if the bytes begin like one, else None."""
    return next((name for name, opening in _FOREIGN.items() if opening.match(data)), None)


def decode_foreign(data: Buffer, form: str, color: Color) -> tuple[PillowRaster, bool]:
    """Decode the first frame of a picture in a `foreign_format`.

    Returns:
        The picture, and whether there are more frames.

    Raises:
        BadImage: it is damaged or too large, or this Pillow lacks the format's codec.
    """
    with _refusals(form, f"a picture that this build of Pillow reads as {form}"):
        image = _open(data, form)
        check_size(*image.size, "picture too large to decode")
        animated = bool(getattr(image, "is_animated", False))
        exif = bytes(image.info.get("exif", b"")).removeprefix(_EXIF)
        image.load()
        return PillowRaster(_converted(image, color), tiff_orientation(exif)), animated


def _open(data: Buffer, form: str) -> Image.Image:
    # The plugin itself, not Image.open: that one's size limit is a global setting.
    from PIL import features

    if form == "WEBP" and not features.check("webp"):
        raise BadImage(
            "Pillow was built without WebP here",
            expected="a build with libwebp",
            found="a WebP picture",
            remedy="install libwebp-dev, then pillow-simd again with pip's --no-cache-dir"
            " --force-reinstall; or convert the picture first",
        )
    module, _, name = _PLUGINS[form].partition(".")
    image: Image.Image = getattr(import_module(f"PIL.{module}"), name)(io.BytesIO(data))
    return image


def _loaded(image: Image.Image, header: ImageHeader, color: Color) -> Image.Image:
    from PIL import Image, ImageChops

    if color == 0 and header.format == "JPEG":
        image.draft("L", None)  # the luma as it is stored
    if image.size != (header.width, header.height):
        return image
    image.load()
    if header.mode == "CMYK" and "adobe_transform" not in image.info:
        return ImageChops.invert(image)  # Pillow inverts every CMYK JPEG
    if header.mode == "I;16":  # Pillow's own conversion clips
        import numpy as np

        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image


def _converted(image: Image.Image, color: Color) -> Image.Image:
    mode = {1: "RGB", 0: "L"}.get(color) or _own_mode(image)
    if mode == "L" and image.mode not in _GRAY_MODES:
        image = image.convert("RGB")  # a palette's own way to gray rounds otherwise
    return image if image.mode == mode else image.convert(mode)


def _own_mode(image: Image.Image) -> str:
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        return "RGBA"
    return "L" if image.mode in _GRAY_MODES else "RGB"


@contextmanager
def _refusals(form: str, expected: str) -> Iterator[None]:
    """Turn whatever Pillow raises into a refusal, and its warnings into nothing."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (*_UNDECODABLE, Image.DecompressionBombError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the operating system's: it says nothing about the image
        raise BadImage(
            f"{form} cannot be decoded",
            expected=expected,
            found=str(error) or type(error).__name__,
            remedy=REMEDY,
        ) from error
