"""Masks of the objects on an image as records hold them: of the size of the stored image."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from pipeline import storage
from pipeline.errors import BadImage, TreeRefused
from pipeline.images.masks import Mask, decode_mask, encode_png, resized
from pipeline.images.prepare import StoredImage


def masks_at_size(
    files: Sequence[str | None], sources: storage.Sources, stored: StoredImage
) -> tuple[bytes, ...]:
    """Return a PNG of one bit a pixel for each object on an image; a black one where it has none.

    Readers such as TensorFlow's Object Detection API decode one for every object.

    Args:
        files: of each object, named as sources are; none where no object has a mask.
        sources: say where files lie.
        stored: the image.

    Raises:
        TreeRefused: a mask is not there, or is none.
    """
    size = (stored.width, stored.height)
    return tuple(
        _black(size) if file is None else encode_png(resized(_read(file, sources), size))
        for file in files
    )


@lru_cache(maxsize=64)
def _black(size: tuple[int, int]) -> bytes:
    return encode_png(np.zeros((size[1], size[0]), np.bool_))


def _read(file: str, sources: storage.Sources) -> Mask:
    path = sources.path(file)
    try:
        if storage.stat(path) is None:
            raise BadImage("there is no such file", expected="a mask")
        return decode_mask(storage.read_bytes(path))
    except BadImage as error:
        raise TreeRefused(
            "a mask is not what it was when it was collected",
            file=str(path),
            expected=error.expected,
            found=f"{error.what}: {error.found}" if error.found else error.what,
            remedy="move it away, then run the same command again: it alone is made anew",
        ) from error
