"""A split of Open Images as the source of a catalog: what was collected of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline.annotations.boxjoin import BoxJoin
from pipeline.archives.member_hashes import KnownContents
from pipeline.catalog.classes import LabelTable
from pipeline.catalog.details import Details
from pipeline.manifest import Document
from pipeline.sources.openimages import catalog_rows, described, places
from pipeline.sources.openimages.collected import SUFFIX, Collected
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.presence import RETRY
from pipeline.sources.source import IMAGES, Source
from pipeline.storage import Location
from pipeline.storage.local.fingerprints import FileStamps


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenImagesSource(Source):
    """What was collected of a split.

    Attributes:
        collected: that.
        table: the label table.
        info: the CSV file of authors and licences; None: there is none.
        raw: the folder of metadata.
        seen: how the files of the images looked; None: they were not looked at.
        keep: keeps what was asked for, see `Source.remember`.
    """

    collected: Collected
    table: LabelTable
    info: PublishedFile | None
    raw: Path
    seen: FileStamps | None
    keep: Callable[[], None]

    def identity(self) -> Document:
        """Return the digests of the selection, and of what came of each image and mask."""
        return {**self.collected.identity, "split": self.split.name}

    @property
    def selection(self) -> str:
        """The digest of the selection."""
        return self.collected.mark.digest

    def made_of(self) -> dict[str, str]:
        """Return what was selected, and what came of it."""
        came = {name: each for name, each in self.collected.identity.items() if name != "selection"}
        return {
            IMAGES: ", ".join(f"{name} {digest}" for name, digest in came.items()),
            "selection": self.selection,
            "--class": f"{len(self.table.class_ids):,}, {self.table.digest}",
        }

    def follows(self) -> frozenset[str]:
        """Return what came of the images: one that turns up is no other choice of anybody's."""
        return frozenset({IMAGES})

    def described(self) -> list[Document]:
        """Return the digests, and how many images have a file."""
        return [{**self.collected.identity, "images": self.collected.there}]

    def parameters(self) -> Document:
        """Return the classes, in the order of their indexes."""
        return {"classes": list(self.table.class_ids)}

    def rows(self, out: Location, boxes: BoxJoin | None) -> Iterator[pa.Table]:
        """Yield the catalog, by ImageID; see `catalog_rows.catalog_rows`."""
        del out, boxes
        return catalog_rows.catalog_rows(self.collected, self.table)

    @property
    def has_boxes(self) -> bool:
        """Whether any object was selected: each has a box."""
        return self.collected.mark.objects > 0

    def details(self) -> Details:
        """Return what the CSV files say beyond the catalog."""
        return described.details_of(self.collected, self.info, self.raw)

    def known_contents(self, out: Location) -> KnownContents:
        """Return what the images were when they were collected."""
        del out
        return self.collected.contents

    def why_absent(self, key: str) -> tuple[str, str]:
        """Return the answer that the bucket gave."""
        return self.collected.absences[key.removesuffix(SUFFIX)], RETRY

    @property
    def gets_images_in(self) -> str:
        """What to do for images that were left out."""
        return RETRY

    def size(self) -> int:
        """Return how many bytes the images have."""
        return self.collected.bytes

    def stamps(self) -> FileStamps:
        """Return how the files of the images looked when they were looked at.

        Raises:
            LookupError: they were not; see `glanced_at`.
        """
        if self.seen is None:
            raise LookupError(f"nobody has looked at the images of {self.split.name}")
        return self.seen

    @property
    def glanced_at(self) -> str:
        """What alone was looked at: the tables of what was collected."""
        return "the tables of what was collected" if self.seen is None else ""

    def remember(self) -> None:
        """Keep what was asked for, so that the metadata need not be there to know it."""
        self.keep()

    def closing(self) -> Iterator[str]:
        """Yield what is to be said of the selection, and which images and masks are not there."""
        for line in self.collected.mark.closing:
            yield line.removeprefix(f"{self.split.name}: ")  # whoever says it says the split, too
        outcomes = self.collected.outcomes.items()
        if outcomes:
            listed = ", ".join(f"{count:,} {name}" for name, count in outcomes)
            failures = places.failures(self.collected.out, self.split.name)
            yield f"images without a file: {listed}; each is named in {failures}"
        lacking = self.collected.mask_outcomes.items()
        if lacking:
            listed = ", ".join(f"{count:,} {name}" for name, count in lacking)
            yield f"masks: {listed}, e.g. {self.collected.mask_example}"
        misshapen = list(self.collected.misshapen)
        if misshapen:
            more = f"{len(misshapen):,}, e.g. {misshapen[0]}"
            yield f"masks of another shape than their images: {more}"
