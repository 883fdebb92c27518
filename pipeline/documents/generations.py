"""What is recorded of outputs that shards were appended to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta, Struct

from pipeline.documents.values import Digest, Position, Size
from pipeline.manifest import FileEntry


class Generation(Struct, frozen=True):
    """The shards of one generation, and what the output was when they were its last ones.

    Attributes:
        shards: how many shards it has; 0: nothing was new, and some shards were written again.
        family: digest of which image went where; see `pipeline.job.split.SplitJob.shards_digest`.
        plan: digest of the plan.
        emptied: how many shards each generation before it lost then, with their last images. The
            others of that generation are numbered anew: no reader opens a shard without a record.
    """

    shards: Position
    family: Digest
    plan: Digest
    emptied: tuple[Size, ...] = ()


class AppendRecord(Struct, frozen=True):
    """What an append comes to; see `pipeline.job.appending`.

    Attributes:
        generations: those of the output that is appended to, the first one first.
        kept: how many images each of its shards keeps that keeps one.
        shards: how many shards the new images get.
        new: how many images are new.
        vanished: how many images of the output are not there any more.
        emptied: how many shards of each of its generations keep no image.
        files: none.
    """

    generations: Annotated[tuple[Generation, ...], Meta(min_length=1)]
    kept: tuple[Size, ...]
    shards: Position
    new: Size
    vanished: Size
    emptied: tuple[Size, ...] = ()
    files: tuple[FileEntry, ...] = ()

    @property
    def parent(self) -> Generation:
        """The last generation of the output that is appended to."""
        return self.generations[-1]

    @property
    def counts(self) -> tuple[int, ...]:
        """How many shards each generation has in the output that is made, the new one too."""
        return (*_less(counts_of(self.generations), self.emptied), self.shards)


def counts_of(generations: Sequence[Generation]) -> tuple[int, ...]:
    """Return how many shards each generation of an output has, once the last one is made."""
    counts = tuple[int, ...]()
    for each in generations:
        counts = (*_less(counts, each.emptied), each.shards)
    return counts


def _less(counts: Sequence[int], emptied: Sequence[int]) -> tuple[int, ...]:
    lost = (*emptied, *[0] * (len(counts) - len(emptied)))
    return tuple(count - of for count, of in zip(counts, lost, strict=True))
