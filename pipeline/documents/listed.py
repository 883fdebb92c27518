"""What a loader needs of the manifest of an output: its shards, and nothing of how they were made.

`pipeline.documents.outputs` has all of the manifest, and imports what encodes images.
"""

from __future__ import annotations

from msgspec import Struct

from pipeline.documents.values import Below, Size
from pipeline.manifest import FileEntry


class ListedShard(Struct, frozen=True):
    """A shard: its file, relative to the manifest's folder."""

    file: Below
    bytes: Size
    records: Size


class Labelling(Struct, frozen=True):
    """How labels follow from classes."""

    label_offset: int = 0


class ListedShards(Struct, frozen=True):
    """The shards of an output, in no order."""

    shards: tuple[ListedShard, ...]
    files: tuple[FileEntry, ...] = ()
    parameters: Labelling = Labelling()
