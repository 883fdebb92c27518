"""Images that are decoded no further than they are needed: to about a size, in colour or gray."""

# ruff: noqa: PLC0415 - Pillow is imported where it is used

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from pipeline.images import header
from pipeline.images.bounds import check_claim
from pipeline.images.decode import decode, open_image, refusals
from pipeline.images.orientation import UPRIGHT
from pipeline.images.spec import EncodeSpec
from pipeline.storage import Buffer

if TYPE_CHECKING:
    from PIL import Image, ImageFile


def resized(
    data: Buffer, mode: str, size_of: Callable[[tuple[int, int]], tuple[int, int]]
) -> Image.Image:
    """Return an image of a size, its pixels as they are stored: not turned.

    A JPEG is decoded at an eighth, a quarter or half of its size where that is enough.

    Args:
        data: a JPEG or PNG as a shard holds it.
        mode: of the result, ``RGB`` or ``L``.
        size_of: returns the width and height that are wanted, of those of the image.

    Raises:
        BadImage: it cannot be decoded.
    """
    from PIL import Image

    said = header.read_header(data)
    check_claim(said, len(data))
    size = size_of((said.width, said.height))
    if said.format == "JPEG" and said.mode in {"RGB", "L"}:
        with refusals(said.format, f"{said.width} x {said.height} pixels of {said.mode}"):
            file = cast("ImageFile.ImageFile", open_image(data, said.format))
            file.decodermaxblock = len(data)  # it is all there: it is decoded in one go
            image: Image.Image = file
            # The luma alone where gray is stored or wanted.
            image.draft("L" if "L" in {said.mode, mode} else "RGB", size)
            image.load()
    else:
        image = decode(data, said, EncodeSpec(color=1), UPRIGHT).image
    image = image if image.mode == mode else image.convert(mode)
    return image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)
