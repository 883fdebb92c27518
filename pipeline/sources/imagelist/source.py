"""An image list, or a folder of images, as the source of a split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from pipeline import storage
from pipeline.annotations.boxjoin import BoxJoin
from pipeline.catalog import class_folders
from pipeline.catalog.class_table import FolderClasses
from pipeline.catalog.details import Details
from pipeline.catalog.label_widths import LabelWidths
from pipeline.errors import TransientError
from pipeline.manifest import Document
from pipeline.quantities import counted
from pipeline.sources.glance import Glance
from pipeline.sources.imagelist import list_details as listdetails
from pipeline.sources.imagelist import list_rows as listrows
from pipeline.sources.imagelist import list_splits as listsplits
from pipeline.sources.imagelist import snapshot, treeform
from pipeline.sources.imagelist import table_forms as tableforms
from pipeline.sources.imagelist.image_listing import ImageListing
from pipeline.sources.imagelist.snapshot import ListPlace
from pipeline.sources.source import IMAGES, NUMBERS, Source
from pipeline.storage import Location
from pipeline.storage.clutter import PassedOver
from pipeline.storage.local.fingerprints import FileStamps


@dataclass(frozen=True, eq=False, kw_only=True)
class ListSource(Source):
    """What a list or a folder names.

    Attributes:
        place: which list or folder it is.
        listing: what was found there.
        look: how it looked before it was read; None: too large to be kept.
    """

    place: ListPlace
    listing: ImageListing
    look: Glance | None

    def identity(self) -> Document:
        """Return the digest of the listing, and the classes that were given."""
        # Marks of shards have digests for names: what differs in nothing but its name differs here.
        pinned = self.listing.pinned
        classes = {"classes": pinned.names} if pinned is not None else {}
        return {"list": self.listing.digest, "split": self.split.name, **classes}

    def places(self) -> Document:
        """Return the folder of a split beside others."""
        return {"folder": self.listing.prefix} if self.listing.prefix else {}

    def made_of(self) -> dict[str, str]:
        """Return the list's name and digest; it has none of the other choices."""
        return {
            IMAGES: self._called(self.listing.digest),
            # A list takes no --classes: this says that there was no choice, in words that marks
            # have had since the first version.
            "--classes": "all",
            "labels": "those of the folders",
            "--skip-blacklisted": "none",
        }

    def follows(self) -> frozenset[str]:
        """Return all that is said of the images of a folder; of a list see `before`."""
        is_folder = storage.is_folder(self.listing.path)
        return frozenset({IMAGES, *NUMBERS} if is_folder else ())

    @cached_property
    def before(self) -> frozenset[str]:
        """What `made_of` called the images of the same lines, or of the folder, before."""
        digests = snapshot.earlier(self.place, self.listing, self.look)
        return frozenset(map(self._called, digests))

    def _called(self, digest: str) -> str:
        return f"{self.listing.path.name}, {digest}"

    @property
    def numbers_by_place(self) -> bool:
        """Whether the list, or the annotations, do not number images themselves."""
        path = self.listing.path
        if storage.is_folder(path):
            return True
        return self.listing.objects is None and tableforms.has_named_columns(path)

    def described(self) -> list[Document]:
        """Return the list's name and digest."""
        return [{"list": self.listing.path.name, "digest": self.listing.digest}]

    def rows(self, out: Location, boxes: BoxJoin | None) -> Iterator[pa.Table]:
        """Yield the catalog, in the order of the list; see `list_rows.catalog_rows`."""
        del boxes
        try:
            yield from listrows.catalog_rows(self.listing)
        except TransientError:
            storage.remove(out, self.place.record)  # it is to be read anew
            raise

    def passed_over(self, out: Location) -> PassedOver:
        """Return the clutter in a folder."""
        del out
        return self.listing.clutter

    def size(self) -> int:
        """Return how many bytes its images have."""
        return self.listing.bytes

    def stamps(self) -> FileStamps | None:
        """Return how the files of its images looked when they were looked at.

        Raises:
            LookupError: they were not; see `glanced_at`.
        """
        if self.listing.stamps is None:
            raise LookupError(f"nobody has looked at the images of {self.listing.path}")
        return self.listing.stamps

    @property
    def glanced_at(self) -> str:
        """What alone was looked at: the list, or the folders."""
        if self.listing.stamps is not None:
            return ""
        is_list = self.look is not None and self.look.content is not None
        return "the list" if is_list else "the folders"

    def remember(self) -> None:
        """Keep what was found, so that the list or folder need not be read to be known."""
        if self.listing.stamps is not None and self.look is not None:
            snapshot.save(self.place, self.listing, self.look)
            if self.place.splits.column:
                listsplits.remember(self.place.job, self.place.splits, self.look)

    def closing(self) -> Iterator[str]:
        """Yield what was passed over in a folder, and how many labels the images of a list have."""
        listing = self.listing
        if listing.ignored:
            files = counted(listing.ignored, "file")
            yield f"passed over in the folder: {files}, e.g. {listing.first_ignored}"
        if listing.clutter.count:
            yield f"passed over in the folder: {listing.clutter}"
        if listing.objects is not None:
            yield from listing.objects.closing()
        elif listing.widths.least < listing.widths.most:
            yield f"labels an image: {listing.widths.least} to {listing.widths.most}"

    @property
    def folder_classes(self) -> FolderClasses | None:
        """The class folders of a folder, or the classes that the labels of a list name."""
        return self.listing.classes

    @property
    def class_counts(self) -> Mapping[str, int]:
        """Images of each class folder: of a folder its own ones, of a list those of the labels."""
        counts = self.listing.counts.counts.items()
        if self.listing.classes is None:
            return {class_folders.of_number(label): images for label, images in counts}
        names = self.listing.classes.table.names
        return {names[label]: images for label, images in counts}

    def check_class_folders(self) -> None:
        """Check that each image has one class, whose folder lies beside those of the others."""
        listing = self.listing
        if not storage.is_folder(listing.path):
            treeform.check_list(listing.path, listing.counts)
            treeform.check_side_by_side(listing.path, self.class_names)
        else:
            names = listing.classes.table.names if listing.classes else None
            treeform.check_folder(listing.path, names)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The class folders of a folder, or the labels of a list that are texts; else none."""
        return self.listing.classes.table.names if self.listing.classes else ()

    def find_in(self, tree: Path) -> str | None:
        """Return the folder of this name, or of the name of the folder that is read."""
        names = (self.listing.path.name, self.split.folder)
        there = (name for name in names if storage.real_folder(tree / name) is not None)
        return next(there, None)

    @property
    def label_widths(self) -> LabelWidths | None:
        """How many labels its images have; of annotations none are counted."""
        return self.listing.widths if self.listing.objects is None else None

    @property
    def has_boxes(self) -> bool:
        """Whether there is an object: each has a box."""
        return self.listing.objects is not None and self.listing.objects.objects > 0

    def details(self) -> Details | None:
        """Return what annotations say beyond the catalog."""
        return None if self.listing.objects is None else listdetails.details_of(self.listing)
