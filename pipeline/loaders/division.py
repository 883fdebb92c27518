"""How the records of an output are divided among hosts, and those of a host among its workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.errors import UsageError

ALONE: Final = (0, 1)
"""The rank and the size of a world of one."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """One of those who read an epoch together.

    Attributes:
        rank: of the process that trains, from 0.
        size: how many of these there are.
        worker: of the processes that read for it, from 0.
        workers: how many of these it has.
    """

    rank: int = 0
    size: int = 1
    worker: int = 0
    workers: int = 1


def share(total: int, index: int, count: int) -> range:
    """Return which of the numbers from 0 below `total` the part `index` of `count` has.

    Each number is in one part. Parts are of neighbours, and differ by one number at most.
    """
    return range(total * index // count, total * (index + 1) // count)


def check_world(world: tuple[int, int]) -> tuple[int, int]:
    """Return rank and size, if they can be.

    Raises:
        UsageError: they cannot.
    """
    rank, size = world
    if not 0 <= rank < size:
        raise UsageError(
            "world: no rank of a world",
            expected="(rank, size), where rank is at least 0 and less than size",
            found=repr(world),
        )
    return rank, size
