"""ImageIDs as numbers: 16 hex digits are 8 bytes, whose order is that of the texts."""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

DIGITS: Final = 16
"""How many hex digits an ImageID has."""

Numbers = NDArray[np.uint64]
"""ImageIDs, each as the number that its digits spell."""


def numbers(ids: pa.Array | pa.ChunkedArray) -> Numbers:
    """Return ImageIDs as numbers; each has 16 hex digits in lower case, and none is null."""
    chunks = ids.chunks if isinstance(ids, pa.ChunkedArray) else [ids]
    parts = [np.frombuffer(bytes.fromhex(_characters(chunk).decode()), ">u8") for chunk in chunks]
    return np.concatenate([np.empty(0, np.uint64), *parts]).astype(np.uint64)


def number(image_id: str) -> int:
    """Return one ImageID as a number."""
    return int(image_id, 16)


def texts(ids: Numbers) -> pa.StringArray:
    """Return numbers as the ImageIDs that they are."""
    digits = ids.astype(">u8").tobytes().hex().encode()
    offsets = np.arange(0, DIGITS * len(ids) + 1, DIGITS, dtype=np.int32)
    return pa.StringArray.from_buffers(len(ids), pa.py_buffer(offsets), pa.py_buffer(digits))


def hashes(ids: Numbers, seed: int) -> Numbers:
    """Return by what images are chosen where not all are: the first 8 bytes of the house's hash.

    It is that of ``--order hash``, the BLAKE2b-128 of the ImageID, keyed by the seed.
    """
    keyed = hashlib.blake2b(digest_size=16, key=seed.to_bytes(8, "little"))
    digits = ids.astype(">u8").tobytes().hex().encode()
    content = bytearray()
    for start in range(0, len(digits), DIGITS):
        hasher = keyed.copy()
        hasher.update(digits[start : start + DIGITS])
        content += hasher.digest()[:8]
    return np.frombuffer(bytes(content), ">u8").astype(np.uint64)


def _characters(ids: pa.StringArray) -> bytes:
    """Return all texts one after another."""
    if not len(ids):
        return b""
    _, offsets, characters = ids.buffers()
    bounds = np.frombuffer(offsets, np.int32)[ids.offset : ids.offset + len(ids) + 1]
    return bytes(characters[int(bounds[0]) : int(bounds[-1])])
