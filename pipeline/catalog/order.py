"""Which image goes where: orders and shard boundaries, pure functions of their arguments.

The order ``inception`` and the boundaries that go with it are those of TensorFlow's Inception
and Slim (``build_imagenet_data.py``) and of the scripts made after them: files listed class by
class, shuffled with seed 12345, divided among threads and only then among each thread's shards.
The order ``im2rec`` is that of MXNet's ``im2rec.py --list``; ``list`` is none but the source's own.
"""

from __future__ import annotations

import hashlib
import random
from array import array
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UsageError

ORDERS = ("hash", "name", "inception", "im2rec", "list")
SEED_LIMIT = 1 << 64
_INCEPTION_SEED = 12345
_IM2REC_SEED = 100
_IMAGES_AT_ONCE = 4096
_FEWEST_TASKS = 8
MOST_TASKS = 1000
"""Tasks that write the shards of a split, at most."""


def permutation(
    keys: Sequence[str], order: str, seed: int, groups: Sequence[str] | None = None
) -> npt.NDArray[np.int64]:
    """Return the places of the keys in the wanted order.

    ``hash`` sorts by the BLAKE2b-128 of each UTF-8 key, keyed by the seed as 8 little-endian
    bytes, ties by the key itself. It depends on nothing else: not on the order in which keys
    were listed, not on the machine. ``name`` sorts by the UTF-8 bytes of the keys.
    ``list`` leaves them as they are; ``im2rec`` shuffles them as `im2rec` says.
    ``inception`` sorts by group, then as ``name``, and shuffles with CPython's
    ``random.shuffle``, whose sequence for a seed is the same in every Python 3.

    Args:
        keys: unique names.
        order: one of `ORDERS`.
        seed: 0 <= seed < 2**64; used by ``hash`` only.
        groups: the class id of each key, "" where there is none; used by ``inception`` only, which
            cannot do without.

    Returns:
        int64 of shape [len(keys)]: place p of the result holds the place in `keys` of the
        image that comes p-th.
    """
    if order == "inception":
        if groups is None:
            raise ValueError("the inception order needs the class of each image")
        return inception(pa.table({"group": groups, "key": keys}))
    if order == "list":
        return np.arange(len(keys))
    if order == "im2rec":
        return im2rec(len(keys))
    if order == "name":
        names = np.array([key.encode() for key in keys], dtype=object)
        return np.argsort(names, kind="stable").astype(np.int64)
    return by_hash(key_hashes(keys, seed), keys)


def inception(names: pa.Table) -> npt.NDArray[np.int64]:
    """Return what `permutation` does for ``inception``, of columns `group` and `key`, strings."""
    ranks = pc.sort_indices(names, [("group", "ascending"), ("key", "ascending")])  # by UTF-8 bytes
    shuffled = _shuffled(len(ranks), _INCEPTION_SEED)
    order: npt.NDArray[np.int64] = ranks.to_numpy()[shuffled].astype(np.int64)
    return order


def im2rec(images: int) -> npt.NDArray[np.int64]:
    """Return the places of images in the order of ``im2rec.py --list``.

    It lists images in the order of its walk and shuffles them with CPython's ``random.shuffle`` and
    seed 100.
    """
    return _shuffled(images, _IM2REC_SEED)


def by_name(keys: Sequence[str] | pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Return the places of keys by their UTF-8 bytes."""
    names = pa.table({"key": keys})
    order: npt.NDArray[np.int64] = pc.sort_indices(names, [("key", "ascending")]).to_numpy()
    return order.astype(np.int64)


def _shuffled(count: int, seed: int) -> npt.NDArray[np.int64]:
    index = array("q", range(count))
    random.Random(seed).shuffle(index)  # noqa: S311 - a fixed order, no secret
    return np.frombuffer(index, np.int64)


def key_hashes(keys: Sequence[str], seed: int) -> npt.NDArray[np.bytes_]:
    """Return S16 of shape [len(keys)]: what ``hash`` sorts keys by."""
    return np.frombuffer(b"".join(_hashes([key.encode() for key in keys], seed)), dtype="S16")


def by_hash(
    hashes: npt.NDArray[np.bytes_], keys: Sequence[str] | pa.StringArray
) -> npt.NDArray[np.int64]:
    """Return what `permutation` does for ``hash``, where the hashes of the keys are known."""
    words = hashes.view(">u8").reshape(-1, 2)
    order = np.lexsort((words[:, 1], words[:, 0])).astype(np.int64)
    _break_ties(order, words, keys)
    return order


def hash_buckets(hashes: npt.NDArray[np.bytes_], count: int) -> npt.NDArray[np.int64]:
    """Return int64 of shape [len(hashes)], in 0..count - 1, which only grows in the hash order.

    Sorted bucket by bucket, keys are in the hash order. `count` is at most 2**32.
    """
    first = hashes.view(">u4").reshape(-1, 4)[:, 0]
    return (first.astype(np.uint64) * np.uint64(count) >> np.uint64(32)).astype(np.int64)


def boundaries(images: int, shards: int, threads: int | None = None) -> list[int]:
    """Return shards + 1 places: shard i holds [places[i], places[i + 1]).

    Sizes differ by at most one.

    Args:
        images: how many there are.
        shards: at most as many.
        threads: None: shard i begins at the floor of i * images / shards. Else the boundaries
            of the Inception scripts, in two steps and in floating point, for so many threads; a
            divisor of `shards` (`check_threads`).
    """
    if threads is None:
        return [shard * images // shards for shard in range(shards + 1)]
    places = [0]
    for start, stop in pairwise(_evenly(0, images, threads)):
        places += _evenly(start, stop, shards // threads)[1:]
    return places


def shards_at_once(images: int, shards: int) -> int:
    """Return how many shards one task writes.

    As many as hold some four thousand images, because to begin a task takes as long as to write
    a hundred; but not so many that there are fewer than `_FEWEST_TASKS` tasks to be shared, and so
    many that there are at most `MOST_TASKS`: what a scheduler does for a task takes as long as
    there are tasks that wait.
    """
    by_images = min(_IMAGES_AT_ONCE * shards // max(1, images), shards // _FEWEST_TASKS)
    return max(1, by_images, -(-shards // MOST_TASKS))


def check_threads(shards: int, threads: int, images: int, split: str) -> None:
    """Check that so many threads can divide the images of a split among its shards.

    Raises:
        UsageError: the shards cannot be shared evenly among the threads, or one would be empty.
    """
    found = f"{shards} shards, {threads} threads, {images} images"
    if not 1 <= shards <= images:
        raise UsageError(
            f"--shards {split}={shards}: a shard would be empty, and none may be",
            expected=f"1 to {images}, the number of images",
            found=found,
            remedy=f"say --shards {split}=N with N in that range and --inception-threads "
            "with a divisor of N",
        )
    if threads < 1 or shards % threads:
        raise UsageError(
            f"--inception-threads {threads} cannot share --shards {split}={shards} evenly",
            expected="a number of threads that divides the number of shards",
            found=found,
            remedy="say " + " or ".join(_what_fits(shards, threads, images, split)),
        )


def _what_fits(shards: int, threads: int, images: int, split: str) -> list[str]:
    """Return the nearest options: fewer threads, or a multiple of the threads as shards."""
    most = max(1, min(threads, shards))
    divisor = next(each for each in range(most, 0, -1) if shards % each == 0)
    ways = [f"--inception-threads {divisor}"]
    if 1 <= threads <= images:
        batch = min(max(1, round(shards / threads)), images // threads)
        ways.append(f"--shards {split}={batch * threads}")
    return ways


def _evenly(start: int, stop: int, pieces: int) -> list[int]:
    """Return where the pieces begin and the last one ends, rounded as the scripts round."""
    places: list[int] = np.linspace(start, stop, pieces + 1).astype(np.int64).tolist()
    return places


def _hashes(names: Sequence[bytes], seed: int) -> list[bytes]:
    keyed = hashlib.blake2b(digest_size=16, key=seed.to_bytes(8, "little"))
    digests = []
    for name in names:
        hasher = keyed.copy()
        hasher.update(name)
        digests.append(hasher.digest())
    return digests


def _break_ties(
    found: npt.NDArray[np.int64],
    hashes: npt.NDArray[np.uint64],
    keys: Sequence[str] | pa.StringArray,
) -> None:
    ordered = hashes[found]
    same = np.flatnonzero((ordered[1:] == ordered[:-1]).all(axis=1))
    for place in same:
        stop = int(place) + 1
        while stop < len(found) and (ordered[stop] == ordered[place]).all():
            stop += 1
        found[place:stop] = sorted(found[place:stop], key=lambda row: str(keys[row]).encode())
