"""An image list, or a folder of images, as the source of a split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.annotations.boxjoin import BoxJoin
from pipeline.catalog.class_table import FolderClasses
from pipeline.catalog.label_widths import LabelWidths
from pipeline.manifest import Document
from pipeline.quantities import counted
from pipeline.sources.imagelist import scan
from pipeline.sources.imagelist.scan import ImageListing
from pipeline.sources.source import Source
from pipeline.storage.clutter import PassedOver
from pipeline.storage.fingerprints import FileStamps


@dataclass(frozen=True, eq=False, kw_only=True)
class ListSource(Source):
    """What a list or a folder names; `listing` says what was found there."""

    listing: ImageListing

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
            "images": f"{self.listing.path.name}, {self.listing.digest}",
            "--classes": "all",
            "labels": "those of the folders",
            "--skip-blacklisted": "none",
        }

    def described(self) -> list[Document]:
        """Return the list's name and digest."""
        return [{"list": self.listing.path.name, "digest": self.listing.digest}]

    def rows(self, out: Path, boxes: BoxJoin | None) -> Iterator[pa.Table]:
        """Yield the catalog, in the order of the list; see `scan.catalog_rows`."""
        del out, boxes
        return scan.catalog_rows(self.listing)

    def passed_over(self, out: Path) -> PassedOver:
        """Return the clutter in a folder."""
        del out
        return self.listing.clutter

    def size(self) -> int:
        """Return how many bytes its images have."""
        return self.listing.bytes

    def stamps(self) -> FileStamps | None:
        """Return how the files of its images look."""
        return self.listing.stamps

    def closing(self) -> Iterator[str]:
        """Yield what was passed over in a folder, and how many labels the images of a list have."""
        found = self.listing
        if found.ignored:
            files = counted(found.ignored, "file")
            yield f"passed over in the folder: {files}, e.g. {found.first_ignored}"
        if found.clutter.count:
            yield f"passed over in the folder: {found.clutter}"
        if found.widths.least < found.widths.most:
            yield f"labels an image: {found.widths.least} to {found.widths.most}"

    @property
    def folder_classes(self) -> FolderClasses | None:
        """The class folders of a folder."""
        return self.listing.classes

    @property
    def label_widths(self) -> LabelWidths | None:
        """How many labels its images have."""
        return self.listing.widths
