"""Which image goes where: orders and shard boundaries, pure functions of their arguments."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

ORDERS = ("hash", "name")
SEED_LIMIT = 1 << 64


def permutation(keys: Sequence[str], order: str, seed: int) -> npt.NDArray[np.int64]:
    """Return the places of the keys in the wanted order.

    ``hash`` sorts by the BLAKE2b-128 of each UTF-8 key, keyed by the seed as 8 little-endian
    bytes, ties by the key itself. It depends on nothing else: not on the order in which keys
    were listed, not on the machine. ``name`` sorts by the UTF-8 bytes of the keys.

    Args:
        keys: unique names.
        order: one of `ORDERS`.
        seed: 0 <= seed < 2**64; used by ``hash`` only.

    Returns:
        int64 of shape [len(keys)]: place p of the result holds the place in `keys` of the
        image that comes p-th.
    """
    names = np.array([key.encode() for key in keys], dtype=object)
    if order == "name":
        return np.argsort(names, kind="stable").astype(np.int64)
    hashes = np.frombuffer(b"".join(_hashes(names, seed)), dtype=">u8").reshape(-1, 2)
    found = np.lexsort((hashes[:, 1], hashes[:, 0])).astype(np.int64)
    _break_ties(found, hashes, names)
    return found


def boundaries(images: int, shards: int) -> list[int]:
    """Return shards + 1 places: shard i holds [places[i], places[i + 1]).

    Sizes differ by at most one.
    """
    return [shard * images // shards for shard in range(shards + 1)]


def _hashes(names: Sequence[bytes] | npt.NDArray[np.object_], seed: int) -> list[bytes]:
    keyed = hashlib.blake2b(digest_size=16, key=seed.to_bytes(8, "little"))
    digests = []
    for name in names:
        hasher = keyed.copy()
        hasher.update(name)
        digests.append(hasher.digest())
    return digests


def _break_ties(
    found: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64], names: npt.NDArray[np.object_]
) -> None:
    ordered = hashes[found]
    same = np.flatnonzero((ordered[1:] == ordered[:-1]).all(axis=1))
    for place in same:
        stop = int(place) + 1
        while stop < len(found) and (ordered[stop] == ordered[place]).all():
            stop += 1
        found[place:stop] = sorted(found[place:stop], key=lambda row: names[row])
