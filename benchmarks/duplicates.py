"""Perceptual hashes that are compared: seconds, memory, and that every planted pair is found."""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from numpy.typing import NDArray

from pipeline.duplicates.grouping import Images, grouped

_PLANTED = 2000
_KEPT_LOW = 24  # bits that a third of the hashes have alike, as dull images do


def main() -> None:
    """Draw hashes, plant pairs, group them, and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--distances", type=int, nargs="+", default=[2, 4])
    given = parser.parse_args()
    for distance in given.distances:
        hashes, pairs = _drawn(given.images, distance)
        content = np.stack([hashes, np.arange(len(hashes), dtype=np.uint64)], 1)
        every = np.ones(len(hashes), np.bool_)
        images = Images(content, hashes, every, np.zeros(len(hashes), np.int32))
        began, cpu_began = time.perf_counter(), time.process_time()
        members = grouped(images, distance)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu_began
        group = np.full(len(hashes), -1)
        group[members.image] = members.group
        found = int(((group[pairs[:, 0]] == group[pairs[:, 1]]) & (group[pairs[:, 0]] >= 0)).sum())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        said = f"{len(hashes):,} hashes, distance {distance}: {wall:.1f} s, {cpu:.1f} s of a core"
        print(f"{said}, {found:,} of {len(pairs):,} planted pairs, peak {peak:,} MB")
        if found < len(pairs):
            raise SystemExit("a planted pair was not found")


def _drawn(count: int, distance: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return hashes, and the places of pairs that differ in so many bits."""
    random = np.random.default_rng(count + distance)
    hashes = random.integers(0, 1 << 63, count, np.uint64)
    hashes[: count // 3] &= np.uint64(((1 << 63) - 1) & ~((1 << _KEPT_LOW) - 1))
    places = random.permutation(count)[: 2 * _PLANTED].reshape(-1, 2).astype(np.int64)
    for one, other in places.tolist():
        bits = random.choice(63, distance, replace=False).tolist()
        hashes[other] = hashes[one] ^ np.uint64(sum(1 << bit for bit in bits))
    return hashes, places


if __name__ == "__main__":
    main()
