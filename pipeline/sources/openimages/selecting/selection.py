"""What is selected of one split of Open Images, and the name that follows from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Final

from pipeline import digests, manifest
from pipeline.documents.openimages import SelectionMark
from pipeline.sources.openimages import places
from pipeline.sources.openimages.selecting.chosen import Chosen
from pipeline.storage import Location

VERSION: Final = 1
"""Other tables from the same CSV files and options: another version."""
BY: Final = ("boxes", "masks", "labels")
"""What an image has to have of a class to be selected."""


@dataclass(frozen=True)
class CsvFile:
    """A CSV file of annotations: where it lies, and its MD5 in hex."""

    path: Location
    md5: str


@dataclass(frozen=True)
class RowOptions:
    """The options that choose rows, beside the classes.

    Attributes:
        by: one of `BY`.
        boxes: whether boxes are read.
        masks: whether masks are read.
        image_labels: whether labels of whole images are read.
        all_objects: whether objects of all classes on the selected images are kept.
        negatives: how many images are added that are verified not to show any chosen class, of
            each class.
        limit: most images of a class; None: all.
        seed: of the hash by which `limit` and `negatives` choose.
        drop_boxes: flags of `tables.FLAGS`: boxes that have one of them are dropped.
        drop_images: flags: images with a box of a chosen class that has one are not selected.
    """

    by: str = BY[0]
    boxes: bool = True
    masks: bool = False
    image_labels: bool = False
    all_objects: bool = False
    negatives: int = 0
    limit: int | None = None
    seed: int = 0
    drop_boxes: tuple[str, ...] = ()
    drop_images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selection:
    """What is selected of one split.

    Attributes:
        split: its name.
        chosen: the classes.
        options: what else chooses rows.
        boxes: the CSV file of boxes; None: none are read. The same of `masks` and `labels`.
        ids: the only images that can be selected; None: any.
    """

    split: str
    chosen: Chosen
    options: RowOptions
    boxes: CsvFile | None = None
    masks: CsvFile | None = None
    labels: CsvFile | None = None
    ids: frozenset[str] | None = None

    @property
    def files(self) -> dict[str, CsvFile]:
        """The CSV files that are read, by their kind."""
        files = {"boxes": self.boxes, "masks": self.masks, "labels": self.labels}
        return {kind: file for kind, file in files.items() if file is not None}

    @cached_property
    def digest(self) -> str:
        """The name of the selection, known before any row is read."""
        described: dict[str, object] = {
            "version": VERSION,
            "split": self.split,
            "files": {kind: file.md5 for kind, file in self.files.items()},
            "classes": self.chosen.described(),
            "options": asdict(self.options),
        }
        if self.ids is not None:
            described["ids"] = sorted(self.ids)
        return digests.digest(described)


def complete(out: Location, split: str, digest: str) -> SelectionMark | None:
    """Return the mark of a selection whose tables are there; None: it is still to be made."""
    return manifest.read_complete(places.selection_mark(out, split, digest), out, SelectionMark)
