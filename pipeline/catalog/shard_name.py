"""The name of a shard, of whatever format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ShardName:
    """One shard of a split.

    Attributes:
        split: name of the split.
        index: 0-based number of the shard, of all that the output has.
        count: how many shards its generation has.
        generation: 0 of an output that was written at once; the shards that the first ``--append``
            added are of generation 1, and so on.
        first: number of the first shard of its generation.
    """

    split: str
    index: int
    count: int
    generation: int = 0
    first: int = 0

    @property
    def stem(self) -> str:
        """The name without a format's suffix.

        ``train-00000-of-01024``; of shards that were appended ``train-a01-00000-of-00012``.
        """
        appended = f"-a{self.generation:02d}" if self.generation else ""
        return f"{self.split}{appended}-{self.index - self.first:05d}-of-{self.count:05d}"

    @staticmethod
    def numbered(split: str, counts: Sequence[int], number: int) -> ShardName:
        """Return the name of a shard of an output.

        Args:
            split: name of the split.
            counts: how many shards each generation has.
            number: 0-based, of all shards.

        Raises:
            IndexError: there is no such shard.
        """
        first = 0
        for generation, count in enumerate(counts):
            if number < first + count:
                return ShardName(split, number, count, generation, first)
            first += count
        raise IndexError(f"shard {number} of {first}")
