"""The output that shards are appended to, as a job names it."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.documents.values import Digest, Name, Position


@dataclass(frozen=True)
class AppendParent:
    """The finished output of a split, in whatever formats, that shards are appended to.

    Attributes:
        split: name of the split.
        family: digest of which image goes where in it; see `pipeline.job.split.SplitJob`.
        plan: digest of its plan.
        shards: how many shards its first generation was divided among.
    """

    split: Name
    family: Digest
    plan: Digest
    shards: Position
