"""Joins masks to boxes: by image, label and corners, one to one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

TOLERANCE: Final = 1e-6 + 1e-12
"""By how much a corner of a mask's box may differ from that of the box: files have six digits or
more, and a difference of one in the sixth is not exact in binary."""

_Places = NDArray[np.int64]


@dataclass(frozen=True)
class Drawn:
    """Boxes, or masks with the boxes that they were drawn in.

    Attributes:
        ids: (n,) the images, as numbers.
        labels: (n,) a number for each label.
        corners: (n, 4) as fractions of the image.
    """

    ids: NDArray[np.uint64]
    labels: NDArray[np.int32]
    corners: NDArray[np.float64]


def join(boxes: Drawn, masks: Drawn) -> _Places:
    """Return which box each mask is of.

    Where several would fit, the nearest pair comes first, and of equally near ones that which
    comes first in its file.

    Returns:
        (masks,): the place of a box, each at most once; -1: none fits.
    """
    joined = np.full(len(masks.ids), -1, np.int64)
    of_mask, of_box = _of_one_label(boxes, masks)
    gaps = np.abs(masks.corners[of_mask] - boxes.corners[of_box]).max(axis=1, initial=0)
    near = gaps <= TOLERANCE
    of_mask, of_box, gaps = of_mask[near], of_box[near], gaps[near]
    if _is_unique(of_mask) and _is_unique(of_box):
        joined[of_mask] = of_box
        return joined
    taken = set[int]()
    for pair in np.lexsort((of_box, of_mask, gaps)).tolist():
        mask, box = int(of_mask[pair]), int(of_box[pair])
        if joined[mask] < 0 and box not in taken:
            joined[mask] = box
            taken.add(box)
    return joined


def _of_one_label(boxes: Drawn, masks: Drawn) -> tuple[_Places, _Places]:
    """Return the places of mask and box of every pair of the same image and label."""
    box_keys, mask_keys = _keys(boxes, masks)
    order = np.argsort(box_keys, kind="stable")
    sorted_keys = box_keys[order]
    first = np.searchsorted(sorted_keys, mask_keys, "left")
    counts = np.searchsorted(sorted_keys, mask_keys, "right") - first
    of_mask = np.repeat(np.arange(len(mask_keys)), counts)
    within = np.arange(len(of_mask)) - np.repeat(np.cumsum(counts) - counts, counts)
    return of_mask, order[np.repeat(first, counts) + within]


def _keys(boxes: Drawn, masks: Drawn) -> tuple[_Places, _Places]:
    """Return one number for image and label of each box, and of each mask."""
    both = np.concatenate([boxes.ids, masks.ids])
    labels = np.concatenate([boxes.labels, masks.labels]).astype(np.int64)
    _, ranks = np.unique(both, return_inverse=True)
    keys = ranks.astype(np.int64) * (int(labels.max(initial=0)) + 1) + labels
    return keys[: len(boxes.ids)], keys[len(boxes.ids) :]


def _is_unique(places: _Places) -> bool:
    return len(np.unique(places)) == len(places)
