"""The marks of catalogs and plans, and of labels that were compared with the devkit's."""

from __future__ import annotations

from msgspec import Struct

from pipeline.annotations.boxjoin import JoinCounts
from pipeline.documents.values import ContentHash, Digest, Size
from pipeline.manifest import FileEntry
from pipeline.storage.clutter import PassedOver


class CatalogMark(Struct, frozen=True):
    """The mark of a finished catalog.

    Attributes:
        digest: of the catalog.
        rows: images.
        files: the catalog, and the annotations that fit no image.
        join: what became of the annotations; None: none are wanted.
        boxes: of all images.
        passed_over: the clutter in the archive; None: there is no archive, or none was counted.
        unreadable: the tars in the archive that cannot be read and that nobody needs.
    """

    digest: Digest
    rows: Size
    files: tuple[FileEntry, ...]
    join: JoinCounts | None = None
    boxes: Size = 0
    passed_over: PassedOver | None = None
    unreadable: PassedOver | None = None


class PlanMark(Struct, frozen=True):
    """The mark of a finished plan; `shards` has a hash of each shard's rows."""

    digest: Digest
    rows: Size
    shards: tuple[ContentHash, ...]
    files: tuple[FileEntry, ...]


class LabelsMark(Struct, frozen=True):
    """The mark that the labels of a split agree with those of the devkit."""

    images: Size
    files: tuple[FileEntry, ...]
