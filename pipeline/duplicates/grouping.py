"""Groups of images that are linked by equal bytes or near hashes, from one to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.duplicates.near_pairs import distances, near_pairs

UNKNOWN: Final = -1
"""The distance of an image without a perceptual hash."""


@dataclass(frozen=True)
class Images:
    """All images of all splits, in a fixed order; arrays of one length.

    Some 45 bytes an image are held, and as many again while they are grouped.

    Attributes:
        content: uint64 of two columns, the hash of its bytes.
        hash: uint64, what it looks like.
        hashed: bool, whether that is known.
        split: int32, number of its split.
    """

    content: NDArray[np.uint64]
    hash: NDArray[np.uint64]
    hashed: NDArray[np.bool_]
    split: NDArray[np.int32]


@dataclass(frozen=True)
class Members:
    """The images that are in a group, group by group, each in the order of the images.

    The first image of a group stands for it. Arrays of one length.

    Attributes:
        group: int64, 0-based.
        image: int64, which of the images.
        distance: int32, in bits, from the first image of the group; `UNKNOWN`: one has no hash.
        same_bytes: bool, whether it has the bytes of the first image.
    """

    group: NDArray[np.int64]
    image: NDArray[np.int64]
    distance: NDArray[np.int32]
    same_bytes: NDArray[np.bool_]


def grouped(images: Images, distance: int) -> Members:
    """Return the images that others are the same as, or look like.

    Images of one hash, such as all that are of one colour, are one node: their number costs
    nothing, however many pairs they make.

    Args:
        images: all of them.
        distance: of the hashes of images that look alike, at most, in bits.
    """
    content = _numbered(images.content)
    _, first, inverse = np.unique(content, return_index=True, return_inverse=True)
    above = first[inverse].astype(np.int64)
    hashed = np.flatnonzero(images.hashed)
    hashes, first, inverse = np.unique(images.hash[hashed], return_index=True, return_inverse=True)
    standing = hashed[first]
    _join(above, hashed, standing[inverse])
    for one, other in near_pairs(hashes, distance):
        _join(above, standing[one], standing[other])
    return _members(images, content, _roots(above, np.arange(len(above))))


def _members(images: Images, content: NDArray[np.int64], root: NDArray[np.int64]) -> Members:
    in_group = np.bincount(root, minlength=len(root))[root] > 1
    image = np.flatnonzero(in_group)
    image = image[np.argsort(root[image], kind="stable")]
    first = root[image]
    known = images.hashed[image] & images.hashed[first]
    apart = distances(images.hash[image], images.hash[first]).astype(np.int32)
    _, group = np.unique(first, return_inverse=True)
    return Members(
        group.astype(np.int64),
        image,
        np.where(known, apart, np.int32(UNKNOWN)),
        content[image] == content[first],
    )


def _numbered(content: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return a number of each row, the same one for equal rows."""
    order = np.lexsort((content[:, 1], content[:, 0]))
    in_order = content[order]
    changes = np.any(in_order[1:] != in_order[:-1], axis=1)
    numbers = np.empty(len(content), np.int64)
    numbers[order] = np.concatenate([np.zeros(1, np.int64), np.cumsum(changes)])[: len(content)]
    return numbers


def _join(above: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64]) -> None:
    """Have each pair be in one set: the root of a set is the least of it (union-find).

    Args:
        above: of each image another one of its set, or itself if it is the root.
        one: images.
        other: as many.
    """
    while True:
        roots = _roots(above, one), _roots(above, other)
        low, high = np.minimum(*roots), np.maximum(*roots)
        apart = low != high
        if not apart.any():
            return
        np.minimum.at(above, high[apart], low[apart])


def _roots(above: NDArray[np.int64], images: NDArray[np.int64]) -> NDArray[np.int64]:
    roots = above[images]
    while not np.array_equal(higher := above[roots], roots):
        roots = higher
    return roots
