"""Snapshots of sources whose images are files of their own: what is known without reading them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from pipeline.documents.values import BelowOrNone, ContentHash, Digest, Key, Name, Place, Size, Text
from pipeline.manifest import FileEntry
from pipeline.storage.clutter import PassedOver

_DigestOrNone = Annotated[str, Meta(pattern=r"\A(?:[0-9a-f]{12})?\Z")]
_Stamp64 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{16}\Z")]


class RecordedLook(Struct, frozen=True):
    """How a list or the folders of a source looked; see `pipeline.sources.glance`.

    Attributes:
        asked: digest of the options that decide how the source is read.
        stamps: of the list, or of each folder, by its path, in hex.
        content: of the list; empty: there is none.
    """

    asked: Digest
    stamps: dict[Place, _Stamp64]
    content: ContentHash | None = None


class RecordedFile(Struct, frozen=True):
    """What was read of one file of a source; see `pipeline.sources.read_files`.

    Attributes:
        passed_over: what, how often, and where the first of each stands.
        beside: stamps of the files beside it that images were read from, by path, in hex.
        md5: of one that is packed as a whole; empty: it is not.
        files: the table of its images.
    """

    passed_over: tuple[tuple[Text, Size, Text], ...]
    beside: dict[Place, _Stamp64]
    files: tuple[FileEntry, ...]
    md5: Text = ""


class RecordedTree(Struct, frozen=True):
    """What was found in a tree; see `pipeline.sources.ilsvrc2012.snapshot`.

    Attributes:
        folder: of the split; "" of a tree whose images have all been moved.
        ignored: what was passed over.
        digest: of keys and sizes.
        places: of paths and sizes.
        bytes: of all images.
        boxes: digest of the bounding boxes; None: none are wanted.
        annotations: of the content of the annotations in the tree; empty: it has none.
        look: how the folders looked; None: an earlier version did not note it, or there are too
            many of them, or they are being changed by the job itself.
        files: none.
    """

    folder: BelowOrNone
    ignored: tuple[Text, ...]
    digest: _DigestOrNone
    places: _DigestOrNone
    bytes: Size
    boxes: _DigestOrNone | None
    annotations: _DigestOrNone = ""
    look: RecordedLook | None = None
    files: tuple[FileEntry, ...] = ()


class RecordedWidths(Struct, frozen=True):
    """How many labels images have; see `pipeline.catalog.label_widths.LabelWidths`."""

    least: Size
    most: Size
    least_line: Size
    most_line: Size
    detection: bool


class RecordedCounts(Struct, frozen=True):
    """The images of each class; see `pipeline.sources.imagelist.class_counts.ClassCounts`."""

    counts: tuple[tuple[Size, Size], ...]
    without: Size
    without_line: Size


class RecordedClasses(Struct, frozen=True):
    """Class folders; see `pipeline.catalog.class_table.FolderClasses`."""

    names: tuple[Key, ...]
    pinned: bool
    absent: tuple[Key, ...]
    bare: tuple[Key, ...]
    alike: tuple[tuple[Key, Key], ...]


class RecordedSplits(Struct, frozen=True):
    """The splits that a list names; see `pipeline.sources.imagelist.list_splits`.

    Attributes:
        column: which says them.
        names: of the splits, sorted.
    """

    column: Key
    names: tuple[Name, ...]
    look: RecordedLook
    files: tuple[FileEntry, ...] = ()


class RecordedObjects(Struct, frozen=True):
    """Objects of annotations; see `pipeline.sources.imagelist.object_counts.ObjectCounts`."""

    objects: Size
    images: Size
    negatives: Size
    of_several: Size
    notes: tuple[Text, ...]


class RecordedList(Struct, frozen=True):
    """What a list or folder names; see `pipeline.sources.imagelist.scan.ImageListing`.

    Attributes:
        counts: of an earlier version none.
        earlier: what `digest` was before images were replaced, see `snapshot.earlier`.
        objects: of annotations.
    """

    images: Size
    missing: Size
    widths: RecordedWidths
    bytes: Size
    suffix: Text
    long_names: bool
    digest: Digest
    ignored: Size
    first_ignored: Text
    clutter: PassedOver
    classes: RecordedClasses | None
    repeats: bool
    look: RecordedLook
    counts: RecordedCounts | None = None
    earlier: tuple[Digest, ...] = ()
    objects: RecordedObjects | None = None
    files: tuple[FileEntry, ...] = ()


class RecordedShards(Struct, frozen=True):
    """What was found in the shards of a split; see `pipeline.sources.shardset.kept.Found`.

    Earlier versions kept no `kinds`: the shards are read again. Nor did they keep a `table`.
    """

    images: Size
    bytes: Size
    digest: Digest
    places: Digest
    suffix: Text
    look: RecordedLook
    files: tuple[FileEntry, ...]
    long_keys: tuple[Key, ...] = ()
    classes: RecordedClasses | None = None
    names: tuple[Text, ...] = ()
    counts: tuple[tuple[Text, Size], ...] = ()
    widths: RecordedWidths | None = None
    objects: Size = 0
    described: bool = False
    kinds: tuple[tuple[int, Text, Text], ...] | None = None
    table: tuple[tuple[Text, Text], ...] | None = None
    notes: tuple[Text, ...] = ()
    packed: tuple[tuple[Text, Text], ...] = ()
