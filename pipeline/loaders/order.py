"""The order in which an epoch is read: a pure function, the same on every machine and for ever.

Records are numbered from 0 over the shards of an output, sorted by name. A rank has the same
records in each epoch, so that a host fetches no other shards into its cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from secrets import randbits
from typing import Final, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from pipeline.loaders.division import Consumer, share

SHARDS_AT_ONCE: Final = 16
"""How many shards the records are mixed of that follow each other in a shuffled epoch."""

_MASK: Final = (1 << 64) - 1
_GAMMA: Final = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def seed_of(seed: SupportsIndex | None, *, shuffle: bool) -> int | None:
    """Return the seed of a shuffled order, drawn where none is given; None: by number."""
    if not shuffle:
        return None
    return randbits(62) if seed is None else index(seed)


@dataclass(frozen=True, slots=True)
class Order:
    """What decides the order of all epochs.

    Attributes:
        counts: how many records each shard has.
        seed: of the shuffled order; None: by number.
    """

    counts: tuple[int, ...]
    seed: int | None = None

    @property
    def total(self) -> int:
        """How many records there are."""
        return sum(self.counts)

    def length(self, consumer: Consumer) -> int:
        """Return how many records of each epoch a consumer reads."""
        of_rank = share(self.total, consumer.rank, consumer.size)
        return len(share(len(of_rank), consumer.worker, consumer.workers))

    def epoch(self, number: SupportsIndex, consumer: Consumer) -> NDArray[np.int64]:
        """Return the numbers of the records that a consumer reads in an epoch, in their order.

        In a shuffled epoch the shards of a rank are in a random order, which is cut into a piece
        for each worker; in a piece, the records of 16 shards in a row are mixed. So a worker has
        16 shards open, and others in the next epoch.

        Args:
            number: of the epoch, from 0.
            consumer: who reads.

        Returns:
            (n,) each in ``range(total)``, none twice; those of all consumers are all of them.
        """
        span = share(self.total, consumer.rank, consumer.size)
        numbers = np.arange(span.start, span.stop, dtype=np.int64)
        piece = share(len(numbers), consumer.worker, consumer.workers)
        if self.seed is None:
            return numbers[piece.start : piece.stop]
        epoch = index(number)  # NumPy's would overflow
        place = _places(self.counts, self.seed, epoch)
        shards = np.repeat(np.arange(len(self.counts)), self.counts)[span.start : span.stop]
        by_shard = np.argsort(place[shards], kind="stable")[piece.start : piece.stop]
        numbers, shards = numbers[by_shard], shards[by_shard]
        window = _ranks(place[shards]) // SHARDS_AT_ONCE
        keys = _random(numbers, self.seed, epoch, salt=1)
        return numbers[np.lexsort((keys, window))]


def _places(counts: Sequence[int], seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the place of each shard in a random order of them."""
    keys = _random(np.arange(len(counts), dtype=np.int64), seed, epoch, salt=0)
    places = np.empty(len(counts), np.int64)
    places[np.argsort(keys, kind="stable")] = np.arange(len(counts))
    return places


def _ranks(ascending: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return of each of some ascending values how many different ones precede it."""
    changes = np.diff(ascending, prepend=ascending[:1]) != 0
    return np.cumsum(changes).astype(np.int64)


def _random(values: NDArray[np.int64], seed: int, epoch: int, *, salt: int) -> NDArray[np.uint64]:
    """Return a random 64-bit number for each value, by the finaliser of SplitMix64.

    NumPy's own generators promise no order that outlives a release; a training that is resumed
    next year needs it.
    """
    start = seed & _MASK
    for more in (epoch, salt):
        start = _mixed_number((start + more * _GAMMA + _GAMMA) & _MASK)
    with np.errstate(over="ignore"):
        state = values.astype(np.uint64) * np.uint64(_GAMMA) + np.uint64(start)
        state = (state ^ (state >> np.uint64(30))) * np.uint64(_FIRST)
        state = (state ^ (state >> np.uint64(27))) * np.uint64(_SECOND)
        return state ^ (state >> np.uint64(31))


def _mixed_number(state: int) -> int:
    state = (state ^ state >> 30) * _FIRST & _MASK
    state = (state ^ state >> 27) * _SECOND & _MASK
    return state ^ state >> 31
