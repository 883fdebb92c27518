"""The marks of sorted segments of archives, and of the rows that they are made of."""

from __future__ import annotations

from msgspec import Struct

from pipeline.documents.values import ContentHash, Digest, Key, Position, Size
from pipeline.manifest import FileEntry


class _OfSplit(Struct, frozen=True):
    """What a mark says of the split whose archives are sorted.

    Attributes:
        digest: of all that decides the bytes of the segments of a split.
        split: name of the split.
        plan: digest of its plan.
        shards: digest of its shards, whatever their format.
    """

    digest: Digest
    split: Key
    plan: Digest
    shards: Digest


class SegmentMark(_OfSplit, frozen=True):
    """The mark of a sorted segment, see `pipeline.segments.layout`.

    Attributes:
        number: of the segment, from 0.
        images: how many it has.
        index: xxh3-128 of its index.
        files: the sorted segment.
    """

    number: Position
    images: Size
    index: ContentHash
    files: tuple[FileEntry, ...]


class SegmentRowsMark(_OfSplit, frozen=True):
    """The mark of the rows of a plan by segment, see `pipeline.segments.rows`.

    Attributes:
        images: how many rows there are.
        runs: how many of them are sorted at a time.
        files: the file of the rows.
    """

    images: Size
    runs: Size
    files: tuple[FileEntry, ...]
