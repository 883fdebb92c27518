"""Which kind of document a file of the state is, by its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Final

from pipeline import paths, storage
from pipeline.documents.duplicates import DuplicatesMark, HashesMark
from pipeline.documents.generations import AppendRecord
from pipeline.documents.leases import Lease
from pipeline.documents.openimages import (
    FailuresMark,
    ImageGroupMark,
    MaskMark,
    PublishedMark,
    RecipeMark,
    RecordedRequest,
    SelectionMark,
    SizedMaskMark,
    ZipIndexMark,
)
from pipeline.documents.outputs import OutputManifest
from pipeline.documents.packed import PackManifest
from pipeline.documents.products import ProductMark
from pipeline.documents.records import (
    ArchiveMark,
    ArchiveRefusal,
    FingerprintsMark,
    JobRecord,
    MemberHashesMark,
    RecordedArchive,
    WalkedMark,
    Withdrawal,
)
from pipeline.documents.report import (
    ReportImagesMark,
    ReportMark,
    ReportPagesMark,
    ReportSheetsMark,
)
from pipeline.documents.segments import SegmentMark, SegmentRowsMark
from pipeline.documents.shards import GroupMark, ShardClaim, ShardMark, ShardTerms
from pipeline.documents.sources import (
    RecordedFile,
    RecordedList,
    RecordedShards,
    RecordedSplits,
    RecordedTree,
)
from pipeline.documents.tables import CatalogMark, LabelsMark, PlanMark
from pipeline.manifest import Sealed
from pipeline.storage import Location

_DIGEST: Final = "[0-9a-f]" * 12
_BY_PATH: Final[Mapping[str, type[Sealed]]] = {
    "job.json": JobRecord,
    "withdrawal.json": Withdrawal,
    "jobs/*": JobRecord,
    "archives/*.refused.json": ArchiveRefusal,
    "archives/*.members.json": MemberHashesMark,
    "archives/*.recorded.json": RecordedArchive,
    "archives/*.walked.json": WalkedMark,
    "archives/*": ArchiveMark,
    f"sources/list--{_DIGEST}.json": RecordedSplits,
    f"sources/list-*-{_DIGEST}.json": RecordedList,  # no name of a split has a dash
    f"sources/shards-*-{_DIGEST}.json": RecordedShards,
    f"sources/*-{_DIGEST}.json": RecordedTree,
    f"read/{_DIGEST}.json": RecordedFile,
    "sources/annotations-*": FingerprintsMark,
    "sources/*/*": FingerprintsMark,
    "labels/*": LabelsMark,
    "catalogs/*": CatalogMark,
    "plans/*": PlanMark,
    "segments/*/rows.*": SegmentRowsMark,
    "segments/*/*": SegmentMark,
    "generations/*": AppendRecord,
    "terms/*": ShardTerms,
    "claims/*/*": ShardClaim,
    "leases/*": Lease,
    "products/*": ProductMark,
    "shards/*/*": ShardMark,
    "trees/*/*": GroupMark,
    "report/*/*.images.json": ReportImagesMark,
    "report/*/*.sheets.json": ReportSheetsMark,
    "report/*/*.pages.json": ReportPagesMark,
    "hashes/*/*": HashesMark,
    "report/*/report.json": ReportMark,
    "report/*/duplicates.json": DuplicatesMark,
    "openimages/selections/*/*": SelectionMark,
    "openimages/images/*/*": ImageGroupMark,
    "openimages/files/*": PublishedMark,
    "openimages/requests/*": RecordedRequest,
    "openimages/archives/*": ZipIndexMark,
    "openimages/masks/*/*": MaskMark,
    "openimages/masks_image_size/*/*": SizedMaskMark,
    "openimages/recipes/*/*": RecipeMark,
    "openimages/failures/*": FailuresMark,
}

_FOLDERS: Final = {pattern.rpartition("/")[0] for pattern in _BY_PATH} - {""}

ALL: Final[tuple[type[Sealed], ...]] = (
    *dict.fromkeys(_BY_PATH.values()),
    OutputManifest,
    PackManifest,
)
"""Every kind of sealed document."""


def kind_of(out: Location, path: Location) -> type[Sealed] | None:
    """Return the kind of a document below the state of an output folder; None: none of ours."""
    place = storage.relative(path, paths.state(out))
    return next((kind for pattern, kind in _BY_PATH.items() if _fits(place, pattern)), None)


def belongs_at(out: Location, path: Location) -> str | None:
    """Return what lies at a path below the state: a ``file`` or ``folder``; None: nothing of ours.

    Documents and the files that they name have a suffix, and folders have none.
    """
    if path.suffix:
        return "file" if kind_of(out, path) is not None else None
    place = storage.relative(path, paths.state(out))
    return "folder" if any(_fits(place, folder) for folder in _FOLDERS) else None


def _fits(place: str, pattern: str) -> bool:
    """Whether a path has as many parts as a pattern, and each fits."""
    return place.count("/") == pattern.count("/") and PurePath(place).match(pattern)
