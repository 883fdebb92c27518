"""A hash of what an image looks like: images that look alike have hashes that differ in few bits.

It is the DCT hash of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash
Functions", 2010: the image in gray, 32 x 32 pixels; its discrete cosine transform; of the 8 x 8
lowest frequencies, but for the constant one, a bit each: whether it is above their median.

All sums are of whole numbers below 2**53, which a float64 holds exactly, so every machine and every
library for matrices comes to the same bits.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.images import reduced
from pipeline.storage import Buffer

VERSION: Final = 1
"""Raise it when the same image gets another hash."""
SIDE: Final = 32
"""Width and height in pixels of what is transformed."""
FREQUENCIES: Final = 8
"""How many of the lowest frequencies count, each way."""
BITS: Final = FREQUENCIES**2
"""Of a hash: two differ in so many at most."""
FLAT: Final = 0
"""The hash of every image of one colour."""
_COSINES: Final = np.array(
    [
        [round(2**14 * math.cos((2 * x + 1) * k * math.pi / (2 * SIDE))) for x in range(SIDE)]
        for k in range(FREQUENCIES)
    ],
    np.float64,
)


def perceptual_hash(data: Buffer) -> int:
    """Return the hash of an image, of 64 bits: its pixels as they are stored, not turned.

    Args:
        data: a JPEG or PNG as a shard holds it.

    Raises:
        BadImage: it cannot be decoded.
    """
    return hash_of_pixels(_gray(data))


def hash_of_pixels(pixels: NDArray[np.uint8]) -> int:
    """Return the hash of gray pixels, as of `SIDE` x `SIDE`, rows first.

    The constant frequency has the highest bit, which is never set; the others follow row by row.
    """
    values = pixels.astype(np.float64)
    values -= np.floor(values.mean())  # so that an image of one colour is all zeros
    lowest = (_COSINES @ values @ _COSINES.T).ravel()
    bits = lowest > np.sort(lowest[1:])[len(lowest) // 2 - 1]
    bits[0] = False
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _gray(data: Buffer) -> NDArray[np.uint8]:
    """Return an image as `SIDE` x `SIDE` gray pixels."""
    return np.asarray(reduced.resized(data, "L", lambda _: (SIDE, SIDE)))
