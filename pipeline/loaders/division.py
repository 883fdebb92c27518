"""How the records of an output are divided among hosts, and those of a host among its workers."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index
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
    return _checked(
        world,
        "world: no rank of a world",
        "(rank, size), where rank is at least 0 and less than size",
    )


def check_part(part: tuple[int, int]) -> tuple[int, int]:
    """Return the number of a part of the shards and the count of parts, if they can be.

    Raises:
        UsageError: they cannot.
    """
    return _checked(
        part,
        "part: no part of the shards",
        "i and n, where i is at least 0 and less than n",
    )


def _checked(given: tuple[int, int], refused: str, expected: str) -> tuple[int, int]:
    try:
        one, count = map(index, given)  # also of NumPy, which no state could be saved with
    except (TypeError, ValueError):
        one, count = 0, 0
    if not 0 <= one < count:
        raise UsageError(refused, expected=expected, found=repr(given))
    return one, count
