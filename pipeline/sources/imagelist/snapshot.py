"""What is kept of a list or folder: all that a job must know of it before its catalog is made."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from msgspec import structs

from pipeline import paths, storage
from pipeline.catalog.class_table import ClassTable, FolderClasses
from pipeline.catalog.label_widths import LabelWidths
from pipeline.documents.sources import RecordedClasses, RecordedList
from pipeline.job.options import Job
from pipeline.manifest import Document
from pipeline.sources import glance
from pipeline.sources.glance import Glance
from pipeline.sources.imagelist import folder
from pipeline.sources.imagelist.class_counts import ClassCounts
from pipeline.sources.imagelist.columns import PATH_AND_LABEL, Columns
from pipeline.sources.imagelist.image_listing import ImageListing, ReadAs
from pipeline.sources.imagelist.list_splits import ListSplits
from pipeline.sources.imagelist.object_counts import ObjectCounts
from pipeline.storage import Location
from pipeline.storage.clutter import PassedOver

MOST_EARLIER: Final = 64
"""How many earlier digests of a list are kept."""


@dataclass(frozen=True)
class ListPlace:
    """What of a job's list or folder is one split, and how it is read.

    Attributes:
        job: the job.
        split: name of the split.
        splits: all splits of the list or folder.
        table: the table of classes that was given.
    """

    job: Job
    split: str
    splits: ListSplits
    table: ClassTable | None

    @property
    def below(self) -> str:
        """The split's folder in the job's folder; empty: it is that one, or the list."""
        return self.splits.folders[self.split]

    @property
    def path(self) -> Location:
        """The list or the folder."""
        return storage.below(storage.parse(self.job.images), self.below)

    @property
    def root(self) -> Location:
        """The folder that its paths are relative to."""
        return storage.below(storage.parse(self.job.root), self.below)

    @property
    def prefix(self) -> str:
        """What precedes its paths, where they are to be relative to the folder of all splits."""
        return f"{self.below}/" if self.below else ""

    @property
    def recursive(self) -> bool:
        """Whether the folders in it are classes."""
        return self.job.recursive or bool(self.below)

    @property
    def extensions(self) -> tuple[str, ...]:
        """Of a folder, what names of images end in."""
        return self.job.extensions or folder.EXTENSIONS

    @property
    def columns(self) -> Columns:
        """Of a list whose columns have names, those that are read."""
        return Columns(self.job.path_column, self.job.label_column, self.splits.column)

    @property
    def how(self) -> ReadAs:
        """How the list or folder is read."""
        return ReadAs(
            path=self.path,
            root=self.root,
            recursive=self.recursive,
            extensions=self.extensions,
            columns=self.columns,
            prefix=self.prefix,
            division=self.splits.division,
        )

    @property
    def asked(self) -> str:
        """A digest of the options that decide how it is read."""
        columns = {"path": self.columns.path, "label": self.columns.label}
        named = {} if self.columns.names[:2] == PATH_AND_LABEL.names else {"columns": columns}
        shares = {"shares": sorted(self.job.shares)} if self.job.shares else {}
        column = {"split_column": self.columns.split} if self.columns.split else {}
        return glance.asked(
            named
            | shares
            | column
            | {
                "below": self.below,
                "classes": self.table.names if self.table else None,
                "extensions": self.extensions,
                "images": self.job.images,
                "recursive": self.recursive,
                "root": self.job.root,
            }
        )

    @property
    def record(self) -> Location:
        """Where the document lies."""
        return paths.list_record(self.job.folder, self.split, self.asked)


def save(place: ListPlace, listing: ImageListing, look: Glance) -> None:
    """Keep what was found in a list or folder, in the place of what was found before."""
    document: Document = {
        "images": listing.images,
        "missing": listing.missing,
        "widths": asdict(listing.widths),
        "counts": {**asdict(listing.counts), "counts": sorted(listing.counts.counts.items())},
        "bytes": listing.bytes,
        "suffix": listing.suffix,
        "long_names": listing.long_names,
        "digest": listing.digest,
        "ignored": listing.ignored,
        "first_ignored": listing.first_ignored,
        "clutter": listing.clutter.to_json(),
        "classes": _classes(listing.classes) if listing.classes else None,
        "repeats": listing.repeats,
        "look": look.to_json(place.asked),
        "earlier": earlier(place, listing, look),
    }
    if listing.objects is not None:
        document["objects"] = asdict(listing.objects)
    glance.record(place.job.folder, place.record, document, RecordedList)


def earlier(place: ListPlace, listing: ImageListing, look: Glance | None) -> tuple[str, ...]:
    """Return digests of what was found before images were replaced, the last one first.

    There are none of a list of which a line was changed since.
    """
    known = glance.recall(place.record, RecordedList)
    if known is None or look is None or known.look.content != look.content:
        return ()
    digests = dict.fromkeys((known.digest, *known.earlier))
    return tuple(digest for digest in digests if digest != listing.digest)[:MOST_EARLIER]


def load(place: ListPlace) -> tuple[ImageListing, Glance] | None:
    """Return what was found last, and how it looked then; None: it is not known."""
    saved = glance.recall(place.record, RecordedList)
    if saved is None or saved.look.asked != place.asked or saved.counts is None:
        return None
    listing = ImageListing(
        path=place.path,
        root=place.root,
        prefix=place.prefix,
        recursive=place.recursive,
        extensions=place.extensions,
        images=saved.images,
        missing=saved.missing,
        backslashed="",  # whoever read it has checked that
        widths=LabelWidths(
            saved.widths.least,
            saved.widths.most,
            saved.widths.least_line,
            saved.widths.most_line,
            saved.widths.detection,
        ),
        counts=ClassCounts(
            dict(saved.counts.counts), saved.counts.without, saved.counts.without_line
        ),
        bytes=saved.bytes,
        suffix=saved.suffix,
        long_names=saved.long_names,
        digest=saved.digest,
        ignored=saved.ignored,
        first_ignored=saved.first_ignored,
        clutter=PassedOver(saved.clutter.count, saved.clutter.examples),
        classes=_known(saved.classes) if saved.classes else None,
        repeats=saved.repeats,
        stamps=None,
        columns=place.columns,
        division=place.splits.division,
        split=place.split if place.splits.division else "",
        objects=ObjectCounts(**structs.asdict(saved.objects)) if saved.objects else None,
    )
    return listing, Glance.recorded(saved.look)


def _classes(classes: FolderClasses) -> Document:
    said = asdict(classes)
    del said["table"]
    return {**said, "names": classes.table.names}


def _known(found: RecordedClasses) -> FolderClasses:
    return FolderClasses(
        ClassTable(found.names),
        pinned=found.pinned,
        absent=found.absent,
        bare=found.bare,
        alike=found.alike,
    )
