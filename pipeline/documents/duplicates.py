"""The marks of the duplicates of an output; see `pipeline.duplicates`."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from pipeline.documents.values import Digest, Name, Position, Size
from pipeline.manifest import FileEntry

Distance = Annotated[int, Meta(ge=0, le=64)]
"""In how many bits two perceptual hashes differ."""


class HashesMark(Struct, frozen=True):
    """The mark of the perceptual hashes of a group of shards.

    Attributes:
        digest: of the shards and of what hashes them; see `pipeline.duplicates.hash_groups`.
        split: name of the split.
        group: 0-based number of the group.
        images: how many were looked at.
        damaged: how many of them are not as they were written.
        files: the table.
        missing: how many others could not be looked at, because their facts are damaged.
    """

    digest: Digest
    split: Name
    group: Position
    images: Size
    damaged: Size
    files: tuple[FileEntry, ...]
    missing: Size = 0


class DuplicatesMark(Struct, frozen=True):
    """The mark of the page of duplicates.

    Attributes:
        digest: of the outputs that are compared, the distance, and what makes the page.
        version: of the perceptual hash.
        distance: of the hashes of images that look alike, at most.
        exact: groups of images of the same bytes.
        near: other groups.
        between_splits: groups with images of several splits.
        undecodable: images that cannot be decoded: their bytes alone were compared.
        damaged: images that are not as they were written: the recorded hash of their bytes alone
            was compared.
        files: the page, its sheets and the table.
        missing: images that were not compared, because their facts are damaged.
    """

    digest: Digest
    version: Size
    distance: Distance
    exact: Size
    near: Size
    between_splits: Size
    undecodable: Size
    damaged: Size
    files: tuple[FileEntry, ...]
    missing: Size = 0
