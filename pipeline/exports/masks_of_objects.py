"""Masks of objects at the size of their image, read where the source keeps them."""

from __future__ import annotations

from pipeline import storage
from pipeline.errors import BadImage
from pipeline.exports.base import SplitView
from pipeline.exports.described_images import DescribedImage, DescribedObject, Tally
from pipeline.images.masks import Mask, decode_mask, resized
from pipeline.storage import below

ABSENT = "mask that is not there"
BLACK = "mask without a pixel of its object"
BAD = "mask that cannot be read"


def mask_of(
    split: SplitView, image: DescribedImage, annotated: DescribedObject, tally: Tally
) -> Mask | None:
    """Return the mask of an object, bool of height x width of its image; None: it has none.

    One that is absent, black or damaged is noted, and the object is described by its box.
    """
    folder = split.details.masks if split.details else None
    if folder is None or annotated.mask_path is None:
        return None
    path = below(folder, annotated.mask_path)
    if storage.stat(path) is None:
        tally.note(ABSENT)
        return None
    try:
        mask = decode_mask(storage.read_bytes(path))
    except BadImage:
        tally.note(BAD)
        return None
    mask = resized(mask, (image.width, image.height))
    if not mask.any():
        tally.note(BLACK)
        return None
    return mask
