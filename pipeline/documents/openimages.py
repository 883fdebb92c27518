"""The marks of what is chosen of Open Images, and of what was collected of it."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from pipeline.documents.values import ContentHash, Digest, Key, Name, Place, Size, Text
from pipeline.manifest import FileEntry

_Digit = Annotated[str, Meta(pattern=r"\A[0-9a-f]\Z")]


class RecordedRequest(Struct, frozen=True):
    """What was asked for: the digest of the selection of each split.

    Attributes:
        selections: split -> digest.
        files: none.
    """

    selections: dict[Name, Digest]
    files: tuple[FileEntry, ...] = ()


class SelectedClass(Struct, frozen=True):
    """What a selection has of a class.

    Attributes:
        mid: its MID, such as ``/m/0gxl3``.
        name: in words.
        images: with at least one object of it.
        boxes: of it, those with a mask among them.
        masks: of it.
        negatives: images that are verified not to show it.
    """

    mid: Key
    name: Text
    images: Size = 0
    boxes: Size = 0
    masks: Size = 0
    negatives: Size = 0


class SelectionMark(Struct, frozen=True):
    """The mark of a selection of one split.

    Attributes:
        digest: of what chooses its rows.
        split: its name.
        images: how many it has.
        objects: on all of them.
        labels: of whole images; 0 if none are asked for.
        classes: in the order of their indexes.
        digits: how many masks the images of each first digit have; those without are not in it.
        counts: what else was counted, by name.
        closing: what the command says of it at its end.
        files: the tables.
    """

    digest: Digest
    split: Name
    images: Size
    objects: Size
    files: tuple[FileEntry, ...]
    labels: Size = 0
    classes: tuple[SelectedClass, ...] = ()
    digits: dict[_Digit, Size] = {}
    counts: dict[Key, Size] = {}
    closing: tuple[Text, ...] = ()


class ImageGroupMark(Struct, frozen=True):
    """The mark of a group of images that were collected.

    Attributes:
        split: its name.
        selection: digest of what chooses its images.
        digest: of (ImageID, "there" or why not, MD5) of each image, in order.
        images: how many files are there.
        bytes: of them.
        outcomes: how many images have each outcome.
        asked: when one of those that are not there was last asked for, in UTC, by ISO 8601 with
            microseconds.
        files: the table.
    """

    split: Name
    selection: Digest
    digest: Digest
    images: Size
    bytes: Size
    outcomes: dict[Key, Size]
    files: Annotated[tuple[FileEntry, ...], Meta(min_length=1)]
    asked: Text = ""

    @property
    def finals(self) -> int:
        """How many images are not there."""
        return sum(self.outcomes.values()) - self.images


class ZipIndexMark(Struct, frozen=True):
    """The mark of the index of a mask archive.

    Attributes:
        archive: its file name.
        size: bytes.
        stamp: see `pipeline.storage.FileInfo`.
        place: its path or address.
        md5: of the whole of it, if that was computed or is what its server says.
        members: how many it has.
        files: the index.
    """

    archive: Text
    size: Size
    stamp: Text
    place: Text
    members: Size
    files: tuple[FileEntry, ...]
    md5: ContentHash | None = None


class MaskMark(Struct, frozen=True):
    """The mark of the masks of one selection whose images have one first digit.

    Attributes:
        split: its name.
        selection: digest of what chooses its objects.
        digest: of (MaskPath, outcome, CRC-32) of each mask, in order.
        digit: the first digit of the ImageIDs.
        masks: how many are asked for.
        outcomes: how many there are of each outcome, see `pipeline.sources.openimages.masks.masks`.
        examples: for each outcome but ``kept``, the names of the first masks.
        files: the table.
    """

    split: Name
    selection: Digest
    digest: Digest
    digit: _Digit
    masks: Size
    files: tuple[FileEntry, ...]
    outcomes: dict[Key, Size] = {}
    examples: dict[Key, tuple[Text, ...]] = {}


class RecipeMark(Struct, frozen=True):
    """The mark of the list and the rows of one class of a split.

    Attributes:
        split: its name.
        selection: digest of what chooses the images and rows.
        mid: of the class.
        images: how many the list has.
        files: the list, and the rows of masks and boxes.
    """

    split: Name
    selection: Digest
    mid: Key
    images: Size
    files: tuple[FileEntry, ...]


class FailuresMark(Struct, frozen=True):
    """The mark of the files that say which images of a split are not there.

    Attributes:
        split: its name.
        outcomes: how many of them have each outcome.
        files: the table and the list.
    """

    split: Name
    outcomes: dict[Key, Size]
    files: Annotated[tuple[FileEntry, ...], Meta(min_length=2, max_length=2)]


class SizedMaskMark(Struct, frozen=True):
    """The mark of masks at the size of their images; see `MaskMark`.

    Attributes:
        made_of: digest of the collected masks and images that they are made of.
    """

    split: Name
    selection: Digest
    digest: Digest
    digit: _Digit
    made_of: Digest
    masks: Size
    files: tuple[FileEntry, ...]
    outcomes: dict[Key, Size] = {}
    examples: dict[Key, tuple[Text, ...]] = {}


class PublishedMark(Struct, frozen=True):
    """The mark of a published file that was verified.

    Attributes:
        place: its path.
        size: bytes.
        stamp: see `pipeline.storage.FileInfo`.
        md5: of it, in hex.
        files: none: it lies elsewhere.
    """

    place: Place
    size: Size
    stamp: Text
    md5: ContentHash
    files: tuple[FileEntry, ...] = ()


class ClassCounts(Struct, frozen=True):
    """How often each class stands in a CSV file; a user keeps it, no output folder.

    Attributes:
        path: of the file.
        size: bytes.
        stamp: see `pipeline.storage.FileInfo`.
        rows: by MID.
        images: by MID, each once.
        files: none.
    """

    path: Text
    size: Size
    stamp: Text
    rows: dict[Key, Size]
    images: dict[Key, Size]
    files: tuple[FileEntry, ...] = ()
