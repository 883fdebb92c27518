"""What a list or a folder names, as it was counted while it was read."""

from __future__ import annotations

import hashlib
import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import digests, storage
from pipeline.catalog.class_table import ClassTable, FolderClasses
from pipeline.catalog.label_widths import NO_IMAGES, LabelWidths
from pipeline.sources.imagelist import keys as imagekeys
from pipeline.sources.imagelist.annotated.images import AnnotatedList
from pipeline.sources.imagelist.class_counts import ClassCounter, ClassCounts
from pipeline.sources.imagelist.columns import PATH_AND_LABEL, Columns
from pipeline.sources.imagelist.division import WHOLE, Division
from pipeline.sources.imagelist.folder import Listing
from pipeline.sources.imagelist.list_tables import Listed, classes_of, single_labels
from pipeline.sources.imagelist.long_names import LongNames
from pipeline.sources.imagelist.object_counts import ObjectCounts
from pipeline.sources.source import IsCut
from pipeline.storage import Location
from pipeline.storage.clutter import NOTHING, PassedOver
from pipeline.storage.local.fingerprints import FileStamps

_WINDOWS: Final = re.compile(r"\\|^[A-Za-z]:/")  # in paths that Windows has written


@dataclass(frozen=True, eq=False)
class ImageListing:
    """What a list or a folder names.

    Attributes:
        path: the list or the folder.
        root: folder that the paths are relative to.
        prefix: where that lies in the folder that the sources of a catalog are relative to, with a
            slash at its end; empty: it is that folder.
        recursive: of a folder, whether the folders in it are classes.
        extensions: of a folder, what names of images end in.
        images: how many there are, missing ones too.
        missing: how many of them no file is there of.
        backslashed: the first of the missing ones with a backslash or a drive; else empty.
        widths: how many labels its images have.
        counts: how many images are of each class.
        bytes: how large the files are together.
        suffix: what the first path ends in, such as ``.jpg``; may be empty.
        long_names: whether any key's name is cut in shards, by what `scan` was given.
        digest: of lines, ids, labels, classes in words, paths and sizes; no times, and no matter
            where the root lies.
        ignored: of a folder, how many files were passed over for their names.
        first_ignored: the first of them.
        clutter: of a folder, what was passed over as clutter.
        classes: of a folder its classes, of a list its labels that are texts; None: there are none.
        repeats: whether a path is named more than once.
        stamps: of the files, which no digest is of; None: they were not looked at, see `snapshot`.
        columns: of a list whose columns have names, those that are read.
        division: how the list or folder is divided among splits.
        split: which of these splits this is; empty: it is not divided.
        objects: of annotations, what objects there are; None: it says nothing of objects.
    """

    path: Location
    root: Location
    prefix: str
    recursive: bool
    extensions: tuple[str, ...]
    images: int
    missing: int
    backslashed: str
    widths: LabelWidths
    counts: ClassCounts
    bytes: int
    suffix: str
    long_names: bool
    digest: str
    ignored: int
    first_ignored: str
    clutter: PassedOver
    classes: FolderClasses | None
    repeats: bool
    stamps: FileStamps | None
    columns: Columns = PATH_AND_LABEL
    division: Division = WHOLE
    split: str = ""
    objects: ObjectCounts | None = None

    @property
    def pinned(self) -> ClassTable | None:
        """The table of classes that was given."""
        return self.classes.table if self.classes and self.classes.pinned else None


@dataclass(frozen=True)
class ReadAs:
    """How a list or a folder is read.

    Attributes:
        path: the list or the folder.
        root: folder that the paths are relative to.
        recursive: of a folder, whether the folders in it are classes.
        extensions: of a folder, what names of images end in.
        columns: see `ImageListing`.
        prefix: see `ImageListing`.
        division: see `ImageListing`.
    """

    path: Location
    root: Location
    recursive: bool
    extensions: tuple[str, ...]
    columns: Columns
    prefix: str
    division: Division


class ListingTally:
    """Counts the images of a split, part by part.

    Args:
        how: how the list or folder is read.
        split: see `ImageListing`.
        is_cut: see `ImageListing.long_names`.
    """

    def __init__(self, how: ReadAs, split: str, is_cut: IsCut) -> None:
        self._how, self._split = how, split
        self._content = hashlib.sha256()
        self._hashes, self._stamps = array("Q"), array("Q")
        self._images = self._missing = self._bytes = 0
        self._widths, self._counter = NO_IMAGES, ClassCounter()
        self._long_names = LongNames(is_cut)
        self._suffix = self._backslashed = ""
        self._objects = ObjectCounts()
        self._shown = set[int]()  # the classes of annotations that some object is of

    def add(self, rows: pa.Table) -> None:
        """Look at the files of some images and count them.

        Args:
            rows: one or more, columns as of `list_tables.tables`.
        """
        names = rows["path"].to_pylist()
        sizes_and_stamps = storage.file_stamps(self._how.root, names)
        sizes = np.array([each for each, _ in sizes_and_stamps], np.int64)
        self._suffix = self._suffix if self._images else storage.extension(names[0])
        self._images += len(names)
        self._missing += int(np.count_nonzero(sizes < 0))
        absent = (names[place] for place in np.flatnonzero(sizes < 0))
        windows = next((name for name in absent if _WINDOWS.search(name)), "")
        self._backslashed = self._backslashed or windows
        self._bytes += int(sizes[sizes > 0].sum())
        labels, lines = rows["labels"].combine_chunks(), rows["line"].to_numpy()
        self._widths = LabelWidths.of(labels, lines).merged_into(self._widths)
        self._counter.add(single_labels(labels)[0], lines)
        prefix = self._how.prefix
        sources = [f"{prefix}{name}" for name in names] if prefix else names
        self._hashes.extend(imagekeys.hashes(sources))
        self._stamps.extend([stamp for _, stamp in sizes_and_stamps])
        self._long_names.look(rows["path"], rows["id"], self._suffix)
        if "boxes" in rows.column_names:
            self._objects = self._objects.with_images(rows)
            self._shown.update(map(int, labels.flatten().unique().to_pylist()))
        update_content(self._content, rows, names, sizes)

    def result(self, source: Listed) -> ImageListing:
        """Return what was counted of a list or folder."""
        how = self._how
        folder = source if isinstance(source, Listing) else None
        hashes = np.frombuffer(self._hashes, np.uint64)
        repeated = imagekeys.repeats_among(hashes)
        counts = self._counter.result()
        return ImageListing(
            path=how.path,
            root=how.root,
            prefix=how.prefix,
            recursive=how.recursive,
            extensions=how.extensions,
            images=self._images,
            missing=self._missing,
            backslashed=self._backslashed,
            widths=self._widths,
            counts=counts,
            bytes=self._bytes,
            suffix=self._suffix,
            long_names=self._long_names.with_ids(lambda keys: imagekeys.numbered(keys, repeated)),
            digest=digests.digest({"files": self._content.hexdigest()}),
            ignored=folder.ignored if folder else 0,
            first_ignored=folder.first_ignored if folder else "",
            clutter=folder.clutter if folder else NOTHING,
            classes=self._classes(source, counts),
            repeats=len(repeated) > 0,
            stamps=FileStamps.of(hashes, np.frombuffer(self._stamps, np.uint64)),
            columns=how.columns,
            division=how.division,
            split=self._split,
            objects=replace(self._objects, notes=source.notes)
            if isinstance(source, AnnotatedList)
            else None,
        )

    def _classes(self, source: Listed, counts: ClassCounts) -> FolderClasses | None:
        """Return the classes of all splits, and which of them have no image in this one."""
        classes, is_annotated = classes_of(source), isinstance(source, AnnotatedList)
        if classes is None or not (self._how.division or is_annotated):
            return classes
        shown = self._shown if is_annotated else counts.counts.keys()
        named = enumerate(classes.table.names)
        return replace(classes, absent=tuple(name for label, name in named if label not in shown))


def update_content(
    content: hashlib._Hash, table: pa.Table, names: Sequence[str], sizes: NDArray[np.int64]
) -> None:
    """Add some images, with the sizes of their files, to what the digest of a listing is of."""
    labels = table["labels"].combine_chunks()
    content.update("".join(f"{name}\n" for name in names).encode())
    content.update("".join(f"{text}\n" for text in pc.unique(table["text"]).to_pylist()).encode())
    content.update(table["line"].to_numpy().astype("<i8").tobytes())
    content.update(table["id"].to_numpy().astype("<u8").tobytes())
    content.update(pc.list_value_length(labels).to_numpy().astype("<i4").tobytes())
    content.update(labels.flatten().to_numpy().astype("<f4").tobytes())
    content.update(sizes.astype("<i8").tobytes())
    if "boxes" in table.column_names:
        _update_boxes(content, table)


def _update_boxes(content: hashlib._Hash, table: pa.Table) -> None:
    """Add the sizes that annotations say of images, and their objects."""
    boxes = table["boxes"].combine_chunks()
    for column in (table["width"], table["height"], pc.list_value_length(boxes)):
        content.update(column.to_numpy().astype("<i4").tobytes())
    every = boxes.flatten()
    for field in every.type:
        values = every.field(field.name)
        if field.name == "box_id":
            content.update("".join(f"{each}\n" for each in values.to_pylist()).encode())
        else:
            content.update(np.ascontiguousarray(values.to_numpy()).tobytes())
