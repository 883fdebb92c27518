"""The few images that are no RGB or gray JPEG, encoded anew as one.

The pixels are those that `decode` gives, and so within a rounding step those of TensorFlow's
``decode_png(channels=3)`` and ``decode_jpeg(channels=3)``.
"""

from __future__ import annotations

from typing import Final

from pipeline.images.bounds import MAX_PIXELS, check_claim, check_encodable
from pipeline.images.codec import identity
from pipeline.images.decode import decode
from pipeline.images.header import ImageHeader
from pipeline.images.inspection import inspect
from pipeline.images.orientation import UPRIGHT
from pipeline.images.sound import decodable
from pipeline.images.spec import EncodeSpec
from pipeline.storage import Buffer

_QUALITY: Final = 100


def needs_repair(header: ImageHeader) -> str | None:
    """Return why an image can't be stored as it is: ``png``, ``cmyk`` or ``ycck``; or None."""
    if header.format == "PNG":
        return "png"
    return header.mode.lower() if header.mode in {"CMYK", "YCCK"} else None


def repair(data: Buffer, max_pixels: int = MAX_PIXELS) -> bytes:
    """Decode an image and encode it as an RGB JPEG: quality 100, 4:4:4, without metadata.

    The result depends on the codec; see `codec`. Warnings about metadata are held back, for the
    whole process while this runs. The pixels lie as they did, whatever EXIF says.

    Raises:
        BadImage: its header or its pixels are damaged, no decoder knows its process, or it has
            more than `max_pixels`, or more than a JPEG can have or so many bytes can hold.
    """
    of = inspect(data)
    header = of.header
    of.check_decodable()
    check_claim(header, len(data), max_pixels)
    check_encodable(header.width, header.height, "JPEG")
    sound, _ = decodable(data, of)
    raster = decode(sound, header, EncodeSpec(max_pixels=max_pixels), UPRIGHT)
    return raster.encoded(".jpg", _QUALITY, "444")


def codec() -> str:
    """Return name and version of what decodes and encodes; see `codec.identity`."""
    return identity()
