"""The marks of catalogs and plans, and of labels that were compared with the devkit's."""

from __future__ import annotations

from msgspec import Struct, field

from pipeline.annotations.boxjoin import JoinCounts
from pipeline.documents.values import ContentHash, Digest, Size, Text
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
        indexes: xxh3-128 of the indexes that it was made of, by the names of archives that were
            not verified then; see `pipeline.state.unverified`.
    """

    digest: Digest
    rows: Size
    files: tuple[FileEntry, ...]
    join: JoinCounts | None = None
    boxes: Size = 0
    passed_over: PassedOver | None = None
    unreadable: PassedOver | None = None
    indexes: dict[Text, ContentHash] = field(default_factory=dict)


class PlanMark(Struct, frozen=True):
    """The mark of a finished plan.

    Attributes:
        digest: of the plan.
        rows: images.
        shards: a hash of each shard's rows.
        files: the plan.
        indexes: those of its catalog.
    """

    digest: Digest
    rows: Size
    shards: tuple[ContentHash, ...]
    files: tuple[FileEntry, ...]
    indexes: dict[Text, ContentHash] = field(default_factory=dict)


class LabelsMark(Struct, frozen=True):
    """The mark that the labels of a split agree with those of the devkit."""

    images: Size
    files: tuple[FileEntry, ...]
