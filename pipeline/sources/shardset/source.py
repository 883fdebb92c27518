"""A split in shards or archives as the source of a catalog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from pipeline.annotations.boxjoin import BoxJoin
from pipeline.archives.member_hashes import KnownContents
from pipeline.catalog.class_table import FolderClasses
from pipeline.catalog.classes import NO_LABELS, LabelTable
from pipeline.catalog.label_widths import LabelWidths
from pipeline.errors import UsageError
from pipeline.manifest import Document
from pipeline.quantities import counted
from pipeline.sources import read_files
from pipeline.sources.glance import Glance
from pipeline.sources.shardset import kept
from pipeline.sources.shardset.kept import Found
from pipeline.sources.shardset.known_images import KnownImages
from pipeline.sources.shardset.labelling import HASH
from pipeline.sources.source import IMAGES, NUMBERS, Source
from pipeline.storage import Location


@dataclass(frozen=True, eq=False, kw_only=True)
class ShardSource(Source):
    """The images of a split that lie in shards, each in bytes of its own.

    Attributes:
        out: the output folder of the job, where what was found is kept.
        path: the shards, as they were named.
        asked: a digest of the options that decide how they are read.
        found: what is in them.
        look: how they looked before they were read.
        table: the label table, if that has the names of the classes.
    """

    out: Location
    path: Location
    asked: str
    found: Found
    look: Glance
    table: LabelTable = NO_LABELS

    def identity(self) -> Document:
        """Return a digest of keys, labels, boxes and the bytes of the images."""
        classes = self.found.classes
        pinned = {"classes": classes.table.names} if classes and classes.pinned else {}
        return {"images": self.found.digest, "split": self.split.name, **pinned}

    def places(self) -> Document:
        """Return a digest of where the images lie."""
        return {"places": self.found.places}

    def made_of(self) -> dict[str, str]:
        """Return the name of the shards, and the digest of the images."""
        return {IMAGES: f"{self.path.name}, {self.found.digest}"}

    def follows(self) -> frozenset[str]:
        """Return all that is said of the images: that follows the shards in a folder."""
        return frozenset({IMAGES, *NUMBERS})

    def described(self) -> list[Document]:
        """Return the name of the shards, the digest of the images, and the classes.

        Classes that get a table of their own beside the output are left out.
        """
        said: Document = {"list": self.path.name, "digest": self.found.digest}
        if self.table.class_ids:
            said["classes"] = [*map(list, zip(self.table.class_ids, self.table.words, strict=True))]
        elif self.found.classes is None and self.found.names:
            said["classes"] = [["", name] for name in self.found.names]
        return [said]

    def rows(self, out: Location, boxes: BoxJoin | None) -> Iterator[pa.Table]:
        """Yield the catalog, in the order of the shards, or of the catalog they were made by."""
        del out, boxes
        for part in kept.rows(self.out, self.split.name, self.asked, self.found):
            yield part.drop_columns([HASH])

    @property
    def has_boxes(self) -> bool:
        """Whether there is an object: each has a box."""
        return self.found.objects > 0

    @property
    def whole_files(self) -> bool:
        """Say that images are parts of files."""
        return False

    def known_contents(self, out: Location) -> KnownContents:
        """Return the hashes that the images had when the shards were read."""
        del out
        return KnownImages(kept.rows(self.out, self.split.name, self.asked, self.found))

    def size(self) -> int:
        """Return how many bytes the images have."""
        return self.found.bytes

    def remember(self) -> None:
        """Keep what was found, so that the shards need not be read to be known."""
        kept.save(self.out, self.split.name, self.asked, self.found, self.look)

    def forget(self) -> None:
        """Have the shards read anew by the next command, however they look."""
        kept.forget(self.out, self.split.name, self.asked)
        read_files.remove(self.out, self.found.read_files)

    def closing(self) -> Iterator[str]:
        """Yield what was passed over in the shards."""
        yield from self.found.notes
        if self.found.objects:
            yield counted(self.found.objects, "object")

    @property
    def folder_classes(self) -> FolderClasses | None:
        """The classes that words or folders name."""
        return self.found.classes

    @property
    def class_counts(self) -> Mapping[str, int]:
        """Images of each class folder; empty where some image has no class."""
        return dict(self.found.counts)

    def check_class_folders(self) -> None:
        """Check that each image has a class, whose folder lies beside those of the others."""
        if not self.found.counts:
            raise UsageError(
                "images without a class, which have no class folder",
                file=str(self.path),
                expected="a class of each image",
                remedy="leave out what needs class folders: --export parquet has all labels",
            )
        nested = next((name for name, _ in self.found.counts if "/" in name), None)
        if nested is not None:
            raise UsageError(
                "the name of a class is no name of a folder",
                file=str(self.path),
                expected="names without slashes",
                found=nested,
                remedy="leave out what needs class folders: --export parquet has all labels",
            )

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of classes by number, where all are known; None: a label table has them."""
        return None if self.table.class_ids else self.found.names

    @property
    def label_widths(self) -> LabelWidths | None:
        """How many labels its images have; None: a class each."""
        return self.found.widths
