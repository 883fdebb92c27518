"""What is recorded of outputs that shards were appended to."""

from __future__ import annotations

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
    """

    shards: Position
    family: Digest
    plan: Digest


class AppendRecord(Struct, frozen=True):
    """What an append comes to; see `pipeline.job.appending`.

    Attributes:
        generations: those of the output that is appended to, the first one first.
        kept: how many images each of its shards keeps.
        shards: how many shards the new images get.
        new: how many images are new.
        vanished: how many images of the output are not there any more.
        files: none.
    """

    generations: Annotated[tuple[Generation, ...], Meta(min_length=1)]
    kept: tuple[Size, ...]
    shards: Position
    new: Size
    vanished: Size
    files: tuple[FileEntry, ...] = ()

    @property
    def parent(self) -> Generation:
        """The last generation of the output that is appended to."""
        return self.generations[-1]

    @property
    def counts(self) -> tuple[int, ...]:
        """How many shards each generation has, the new one too."""
        return (*(each.shards for each in self.generations), self.shards)
