"""Images of other formats than JPEG and PNG, which are decoded to be encoded anew.

GIF, WebP, BMP, TIFF and PNM (PBM, PGM and PPM), by Pillow. Alpha is dropped and never blended,
16 bits become 8 by a shift. A TIFF is turned upright as it says, by Pillow as by OpenCV.
"""

# ruff: noqa: PLC0415 - Pillow is imported where it is used: most shards decode nothing

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.errors import BadImage
from pipeline.images.bounds import check_claim
from pipeline.images.decode import converted, has_alpha, open_image, refusals
from pipeline.images.foreignbounds import check_foreign
from pipeline.images.header import ImageHeader
from pipeline.images.orientation import UPRIGHT, tiff_orientation
from pipeline.images.pillow import PillowRaster
from pipeline.images.spec import EncodeSpec, refuse_depth
from pipeline.storage import Buffer

if TYPE_CHECKING:
    from PIL import Image

_FORMATS: Final = {
    "GIF": re.compile(rb"GIF8[79]a"),
    "WEBP": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "BMP": re.compile(rb"BM"),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
    "PNM": re.compile(rb"P[1-6][\s#]"),
}
_EXIF: Final = b"Exif\0\0"
_BLANK: Final = rb"(?:\s|#[^\r\n]*[\r\n])+"
_MAXIMUM: Final = re.compile(rb"P[2356]" + 2 * (_BLANK + rb"\d+") + _BLANK + rb"(\d+)")
_LOOK_AT: Final = 4096
_BITS, _BITS_OF_WIDE, _LEVELS = 8, 16, 256
_NEW_SUBFILE_TYPE, _BITS_PER_SAMPLE = 254, 258  # TIFF 6.0, section 8
_REDUCED: Final = 1
_WIDE_MODES: Final = ("I;16", "I;16B", "I;16L", "I;16N")
_NUMBERS: Final = frozenset({"I", "F"})  # of 32 bits
_INKS: Final = "CMYK"


def foreign_format(data: Buffer) -> str | None:
    """Return ``GIF``, ``WEBP``, ``BMP``, ``TIFF`` or ``PNM`` if the bytes begin so, else None."""
    return next((name for name, opening in _FORMATS.items() if opening.match(data)), None)


def decode_foreign(
    data: Buffer, form: str, spec: EncodeSpec
) -> tuple[PillowRaster, tuple[str, ...]]:
    """Decode the first frame of an image in a `foreign_format`.

    Returns:
        The image, and what is to be noted.

    Raises:
        BadImage: it is damaged or too large, its samples have 32 bits, it would lose depth that
            `spec` wants kept, or this Pillow lacks the format's codec.
    """
    with refusals(form, f"an image that this build of Pillow reads as {form}"):
        image, notes = opened(data, form, spec)
        if is_wide(image, data, form):
            refuse_depth(spec, form)
            notes = (*notes, "16-bit-to-8")
        _check_codec(image)
        exif = bytes(image.info.get("exif", b"")).removeprefix(_EXIF)
        orientation = tiff_orientation(exif) if form != "TIFF" else UPRIGHT
        image.load()
        if image.mode == _INKS:
            notes = (*notes, "cmyk-to-rgb")
        raster = converted(_narrow(image, form), spec.color)
        if has_alpha(image) and (spec.form == "JPEG" or raster.mode != "RGBA"):
            notes = (*notes, "alpha-dropped")
        return PillowRaster(raster, orientation, spec.max_pixels), notes


def opened(data: Buffer, form: str, spec: EncodeSpec) -> tuple[Image.Image, tuple[str, ...]]:
    """Open an image without decoding its pixels, and look whether it can be taken.

    Returns:
        The image, and what is to be noted of it.

    Raises:
        BadImage: it is too large, holds far too much beside its pixels, or is a photograph that
            only its camera's program develops.
    """
    check_foreign(data, form, spec.max_pixels)
    image: Any = open_image(data, form)
    header = ImageHeader(form, image.width, image.height, image.mode)
    check_claim(header, len(data), spec.max_pixels)
    notes: tuple[str, ...] = (f"{form.lower()}-transcoded",)
    if getattr(image, "is_animated", False):
        notes = (*notes, "first-frame")
    if form != "TIFF":
        return image, notes
    if int(image.tag_v2.get(_NEW_SUBFILE_TYPE, 0)) & _REDUCED:
        raise BadImage(
            "a TIFF whose first image is a reduced one: a camera's raw data",
            expected="an image of full resolution at the beginning",
            found=f"{image.width} x {image.height}, said to be reduced",
            remedy="develop it to a TIFF or PNG first, or leave the image out with"
            " --on-bad-image skip",
        )
    return image, (*notes, *_turned(data, spec))


def is_wide(image: Any, data: Buffer, form: str) -> bool:
    """Whether an opened image has more than 8 bits a sample.

    Raises:
        BadImage: it has 32, or fractions, of which nobody says which is black and which white.
    """
    if form == "PNM":
        stated = _MAXIMUM.match(bytes(data[:_LOOK_AT]))
        return stated is not None and int(stated[1]) >= _LEVELS
    if form != "TIFF":
        return False
    bits = image.tag_v2.get(_BITS_PER_SAMPLE, (1,))
    most = max(bits) if isinstance(bits, tuple) else int(bits)
    if image.mode in _NUMBERS or most > _BITS_OF_WIDE:
        raise BadImage(
            "a TIFF whose samples are no levels of light",
            expected="8 or 16 bits a sample, unsigned",
            found=f"{most} bits, mode {image.mode}",
            remedy="convert it to 8 or 16 bits first, or leave the image out with"
            " --on-bad-image skip",
        )
    return most > _BITS


def _turned(data: Buffer, spec: EncodeSpec) -> tuple[str, ...]:
    orientation = tiff_orientation(data)
    if orientation == UPRIGHT:
        return ()
    if spec.orientation == "refuse":
        raise orientation_refused(orientation)
    return (f"orientation-{orientation}-baked",)


def orientation_refused(orientation: int) -> BadImage:
    """Return the error of an image that does not lie upright, where that is refused."""
    return BadImage(
        "the image's pixels do not lie upright",
        expected="no EXIF orientation, or 1",
        found=f"EXIF orientation {orientation}",
        remedy="turn such images with --orientation bake, or leave them out with"
        " --on-bad-image skip",
    )


def _check_codec(image: Any) -> None:
    from PIL import features

    tiles = image.tile
    if tiles and tiles[0].codec_name == "libtiff" and not features.check("libtiff"):
        raise BadImage(
            "Pillow was built without libtiff here",
            expected="a build with libtiff, or a TIFF without compression",
            found="a TIFF that is compressed",
            remedy="encode by --engine opencv; or install libtiff-dev, then pillow-simd again with"
            " pip's --no-cache-dir --force-reinstall; or convert the image first",
        )


def _narrow(image: Image.Image, form: str) -> Image.Image:
    """Return an image of at most 8 bits a sample; Pillow's own conversion clips."""
    wide = image.mode in _WIDE_MODES or (form == "PNM" and image.mode == "I")
    if not wide:
        return image
    from PIL import Image

    return Image.fromarray((np.asarray(image) >> _BITS).astype(np.uint8))
