"""Decodes JPEGs and PNGs by Pillow; `foreign` has what else it reads.

Alpha is dropped and never blended, 16 bits become 8 by a shift, and CMYK is taken as inverted
exactly where Adobe's APP14 segment says who wrote it: as TensorFlow has it.
"""

# ruff: noqa: PLC0415 - Pillow is imported where it is used: most shards decode nothing

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final

from pipeline.errors import BadImage
from pipeline.images.header import ImageHeader
from pipeline.images.pillow import PillowRaster
from pipeline.images.raster import WIDE, Color
from pipeline.images.spec import EncodeSpec, refuse_depth
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
_PLUGINS: Final = {
    "JPEG": "JpegImagePlugin.JpegImageFile",
    "PNG": "PngImagePlugin.PngImageFile",
    "GIF": "GifImagePlugin.GifImageFile",
    "WEBP": "WebPImagePlugin.WebPImageFile",
    "BMP": "BmpImagePlugin.BmpImageFile",
    "TIFF": "TiffImagePlugin.TiffImageFile",
    "PNM": "PpmImagePlugin.PpmImageFile",
}
_ALPHA_MODES: Final = frozenset({"LA", "PA", "RGBA"})
_GRAY_MODES: Final = frozenset({"1", "L", "LA"})


def decode(data: Buffer, header: ImageHeader, spec: EncodeSpec, orientation: int) -> PillowRaster:
    """Decode a JPEG or PNG whose size was found to be bearable.

    Warnings about metadata are held back, for the whole process while this runs.

    Args:
        data: the file's bytes, see `sound.decodable`.
        header: what they claim.
        spec: the channels to give, and the pixels that may be made of them.
        orientation: the EXIF orientation, handed on.

    Raises:
        BadImage: its pixels are damaged or cut off; it would lose depth that `spec` wants kept.
    """
    if header.mode.endswith(WIDE):
        refuse_depth(spec, header.format)
    with refusals(header.format, f"{header.width} x {header.height} pixels of {header.mode}"):
        image = _loaded(open_image(data, header.format), header, spec.color)
        if image.size != (header.width, header.height):
            raise ValueError(f"{image.width} x {image.height} pixels")
        return PillowRaster(converted(image, spec.color), orientation, spec.max_pixels)


def open_image(data: Buffer, form: str) -> Image.Image:
    """Open an image of a format as Pillow names it; ``PNM`` is PPM there.

    Raises:
        BadImage: this Pillow lacks the format's codec.
        Exception: whatever Pillow raises of a damaged header, see `refusals`.
    """
    # The plugin itself, not Image.open: that one's size limit is a global setting.
    from PIL import features

    if form == "WEBP" and not features.check("webp"):
        raise BadImage(
            "Pillow was built without WebP here",
            expected="a build with libwebp",
            found="a WebP image",
            remedy="install libwebp-dev, then pillow-simd again with pip's --no-cache-dir"
            " --force-reinstall; or convert the image first",
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


def converted(image: Image.Image, color: Color) -> Image.Image:
    """Return a decoded image with the channels that are asked for."""
    mode = {1: "RGB", 0: "L"}.get(color) or _own_mode(image)
    if mode == "L" and image.mode not in _GRAY_MODES:
        image = image.convert("RGB")  # a palette's own way to gray rounds otherwise
    return image if image.mode == mode else image.convert(mode)


def has_alpha(image: Image.Image) -> bool:
    """Whether an image says how opaque it is."""
    return image.mode in _ALPHA_MODES or "transparency" in image.info


def _own_mode(image: Image.Image) -> str:
    if has_alpha(image):
        return "RGBA"
    return "L" if image.mode in _GRAY_MODES else "RGB"


@contextmanager
def refusals(form: str, expected: str) -> Iterator[None]:
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
