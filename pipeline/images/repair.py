"""The few pictures that are no RGB or gray JPEG, encoded anew as one.

The pixels are those that TensorFlow's ``decode_png(channels=3)`` and ``decode_jpeg(channels=3)``
give, within a rounding step: alpha is dropped, 16 bits become 8 by a shift, and CMYK is taken as
inverted exactly where Adobe's APP14 segment says who wrote it.
"""

# ruff: noqa: PLC0415 - Pillow is imported where it is used: most shards need no repair

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from pipeline.images.bounds import MAX_PIXELS, check_claim, check_encodable
from pipeline.images.codec import identity
from pipeline.images.decode import open_image, refusals
from pipeline.images.header import ImageHeader
from pipeline.images.inspection import inspect
from pipeline.images.sound import decodable
from pipeline.storage import Buffer

if TYPE_CHECKING:
    from PIL import Image

_QUALITY = 100


def needs_repair(header: ImageHeader) -> str | None:
    """Return why a picture can't be stored as it is: ``png``, ``cmyk`` or ``ycck``; or None."""
    if header.format == "PNG":
        return "png"
    return header.mode.lower() if header.mode in {"CMYK", "YCCK"} else None


def repair(data: Buffer, max_pixels: int = MAX_PIXELS) -> bytes:
    """Decode a picture and encode it as an RGB JPEG: quality 100, 4:4:4, without metadata.

    The result depends on the codec; see `codec`. Warnings about metadata are held back, for the
    whole process while this runs.

    Raises:
        BadImage: its header or its pixels are damaged, no decoder knows its process, or it has
            more than `max_pixels`, or more than a JPEG can have or so many bytes can hold.
    """
    of = inspect(data)
    header = of.header
    of.check_decodable()
    check_claim(header, len(data), max_pixels)
    check_encodable(header.width, header.height, "JPEG")
    data, _ = decodable(data, of)
    with refusals(header.format, f"{header.width} x {header.height} pixels of {header.mode}"):
        return _encode(_decode(data, header))


def codec() -> str:
    """Return name and version of what decodes and encodes; see `codec.identity`."""
    return identity()


def _decode(data: Buffer, header: ImageHeader) -> Image.Image:
    image = open_image(data, header.format)
    if image.size != (header.width, header.height):  # it has several headers: no size was checked
        raise ValueError(f"{image.width} x {image.height} pixels")
    image.load()
    return _png(image, header) if header.format == "PNG" else _jpeg(image)


def _jpeg(image: Image.Image) -> Image.Image:
    from PIL import ImageChops

    if image.mode == "CMYK" and "adobe_transform" not in image.info:
        return ImageChops.invert(image).convert("RGB")  # Pillow inverts every CMYK JPEG
    return image.convert("RGB")


def _png(image: Image.Image, header: ImageHeader) -> Image.Image:
    from PIL import Image

    if header.mode == "I;16":  # Pillow's own conversion clips
        import numpy as np

        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB")


def _encode(image: Image.Image) -> bytes:
    image.info.clear()  # a comment there would be written
    output = io.BytesIO()
    image.save(output, "JPEG", quality=_QUALITY, subsampling=0)
    return output.getvalue()
