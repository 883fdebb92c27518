"""Small images for contact sheets: decoded no further than they are shown, one sheet a JPEG."""

# ruff: noqa: PLC0415 - Pillow is imported where it is used

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.images import reduced
from pipeline.images.masks import Mask, resized
from pipeline.report.chosen import COLUMNS
from pipeline.storage import Buffer

if TYPE_CHECKING:
    from PIL import Image

SIDE: Final = 192
"""Pixels of a thumbnail's longer side, at most."""
QUALITY: Final = 72
BACKGROUND: Final = (28, 30, 34)
COLORS: Final = ("#ff5d5d", "#3ddc84", "#ffd23f", "#5aa9ff", "#ff9a3d", "#4fe0e6", "#ff6fd8")
"""Of the boxes and masks of the objects on an image, in turn."""
_OPACITY: Final = 130  # of masks, of 255


def thumbnail(data: Buffer) -> Image.Image:
    """Return an image no larger than `SIDE`, in RGB, as its pixels are stored.

    Args:
        data: a JPEG or PNG as a shard holds it.

    Raises:
        BadImage: it cannot be decoded.
    """
    return reduced.resized(data, "RGB", fitted)


def fitted(size: tuple[int, int]) -> tuple[int, int]:
    """Return width and height that fit on a sheet, of an image's."""
    longest = max(size)
    if longest <= SIDE:
        return size
    width, height = (max(1, round(side * SIDE / longest)) for side in size)
    return width, height


def corner(cell: int, size: tuple[int, int]) -> tuple[int, int]:
    """Return the left column and the top row of a thumbnail in the middle of its cell."""
    width, height = size
    return (
        cell % COLUMNS * SIDE + (SIDE - width) // 2,
        cell // COLUMNS * SIDE + (SIDE - height) // 2,
    )


def sheet_size(cells: int) -> tuple[int, int]:
    """Return width and height in pixels of a sheet of so many cells."""
    return min(COLUMNS, max(1, cells)) * SIDE, max(1, -(-cells // COLUMNS)) * SIDE


def sheet(images: Mapping[int, Image.Image], cells: int) -> bytes:
    """Return thumbnails on a sheet, as a JPEG.

    Args:
        images: the thumbnail of each cell that has one.
        cells: how many cells there are.
    """
    from PIL import Image

    whole = Image.new("RGB", sheet_size(cells), BACKGROUND)
    for cell, image in images.items():
        whole.paste(image, corner(cell, image.size))
    stream = io.BytesIO()
    whole.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def mask_sheet(
    masks: Mapping[int, Sequence[Mask | None]], sizes: Mapping[int, tuple[int, int]], cells: int
) -> bytes:
    """Return the masks of the objects on thumbnails, as a PNG that lies on their sheet.

    Args:
        masks: of each cell that has some, the mask of each object, or None; of any size.
        sizes: width and height of the thumbnail of each of these cells.
        cells: how many cells there are.
    """
    from PIL import Image

    width, height = sheet_size(cells)
    pixels = np.zeros((height, width), np.uint8)
    for cell, of_cell in masks.items():
        left, top = corner(cell, sizes[cell])
        for number, mask in enumerate(of_cell):
            if mask is not None:
                small = resized(mask, sizes[cell])
                region = pixels[top : top + small.shape[0], left : left + small.shape[1]]
                region[small] = 1 + number % len(COLORS)
    image = Image.fromarray(pixels, "P")
    colors = [bytes.fromhex(color.removeprefix("#")) for color in COLORS]
    image.putpalette(b"\0\0\0" + b"".join(colors))
    opacity = bytes([0, *[_OPACITY] * len(colors)])
    stream = io.BytesIO()
    image.save(stream, "PNG", transparency=opacity, bits=4, optimize=False)
    return stream.getvalue()
