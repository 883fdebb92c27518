"""What is remembered of commands and of their inputs: jobs, archives, replaced images."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from pipeline.documents.values import (
    ContentHash,
    Digest,
    Key,
    Name,
    Place,
    Position,
    Size,
    Stamp,
    Text,
)
from pipeline.manifest import FileEntry
from pipeline.storage import FileInfo

ErrorRecord = dict[Key, Text | list[Text] | None]
"""An error, see `ShardmillError.to_record`: a list holds the lines of a text."""


class RecordedSplit(Struct, frozen=True):
    """What a job's record says of a split.

    Attributes:
        rows: digest of the rows that it is made of.
        outputs: digests of its outputs.
    """

    rows: Text
    outputs: tuple[Digest, ...]


class JobRecord(Struct, frozen=True):
    """The record of a job.

    Attributes:
        job: its options, see `Job.to_json`.
        files: none.
        outputs: format, split and digest of each output; None: the record does not say.
        products: name and digest of each product; None: the record does not say.
        codecs: those of the outputs that it began.
        seen: sizes of the archives when it was recorded.
        splits: by name; None: the record does not say.
    """

    job: Annotated[str, Meta(max_length=1 << 20)]
    files: tuple[FileEntry, ...] = ()
    outputs: tuple[tuple[Name, Name, Digest], ...] | None = None
    products: tuple[tuple[Name, Digest], ...] | None = None
    codecs: tuple[Text, ...] = ()
    seen: dict[Text, Size | None] = field(default_factory=dict)
    splits: dict[Key, RecordedSplit] | None = None


class RecordedBrokenTar(Struct, frozen=True):
    """A tar in an archive that cannot be read; see `pipeline.archives.brokentar`."""

    name: Text
    refusal: ErrorRecord
    is_foreign: bool


class ArchiveMark(Struct, frozen=True):
    """The mark of a verified archive.

    Attributes:
        archive: its published file name.
        size: bytes.
        stamp: as `pipeline.storage.FileInfo` has it.
        md5: of the whole.
        files: its index, if it is a plain tar.
        mtime_ns: of an older record, which has the stamp as a number.
        members: how many files it has.
        broken: the tars in it that cannot be read.
        reader: version of what could not read them.
    """

    archive: Text
    size: Size
    md5: ContentHash
    files: tuple[FileEntry, ...]
    stamp: Text | None = None
    mtime_ns: Stamp | None = None
    members: Size | None = None
    broken: tuple[RecordedBrokenTar, ...] = ()
    reader: Size | None = None

    @property
    def info(self) -> FileInfo:
        """Size and stamp of the archive that was verified."""
        # The stamp is empty of a file of a web server that tells no versions apart.
        return FileInfo(self.size, str(self.mtime_ns) if self.stamp is None else self.stamp)

    @property
    def index(self) -> ContentHash | None:
        """The xxh3-128 of its index; None: it has none."""
        return self.files[0].xxh3_128 if self.files else None


class WalkedMark(Struct, frozen=True):
    """The mark of the index of an archive that was walked, and is not verified yet.

    Attributes:
        archive: its published file name.
        size: bytes.
        stamp: as `pipeline.storage.FileInfo` has it.
        files: the index.
    """

    archive: Text
    size: Size
    stamp: Text
    files: Annotated[tuple[FileEntry, ...], Meta(min_length=1, max_length=1)]

    @property
    def info(self) -> FileInfo:
        """Size and stamp of the archive that was walked."""
        return FileInfo(self.size, self.stamp)

    @property
    def index(self) -> ContentHash:
        """The xxh3-128 of the index."""
        return self.files[0].xxh3_128


class RecordedCounts(Struct, frozen=True):
    """How many images were found in a split whose configuration does not say it.

    Attributes:
        images: the number of images, if they are those from 1 to it; None: they are not.
        counts: class -> images; where `images` says it, nothing.
    """

    images: Size | None = None
    counts: dict[Key, Size] = field(default_factory=dict)


class RecordedArchive(Struct, frozen=True):
    """What the first pass has found of an archive of which a configuration leaves something out.

    Attributes:
        archive: its published file name.
        md5: of the whole.
        counts: by a digest of what else the configuration says of a split.
        files: none.
    """

    archive: Text
    md5: ContentHash
    counts: dict[Digest, RecordedCounts] = field(default_factory=dict)
    files: tuple[FileEntry, ...] = ()


class MemberHashesMark(Struct, frozen=True):
    """The mark of the hashes of an archive's members; see `pipeline.archives.member_hashes`.

    Attributes:
        archive: its published file name.
        md5: of the archive whose members they are.
        files: their table.
    """

    archive: Text
    md5: ContentHash
    files: tuple[FileEntry, ...]


class ArchiveRefusal(Struct, frozen=True):
    """Why an archive was refused.

    Attributes:
        md5: what it should have had.
        size: what it should have had; None: any.
        reader: version of what read it.
        refusal: the error, see `ShardmillError.to_record`.
        placed: what `storage.placed` said of the file; "": a record of an earlier version.
        files: none.
    """

    md5: Text
    size: Size | None
    reader: Size
    refusal: ErrorRecord
    placed: Text = ""
    files: tuple[FileEntry, ...] = ()


class FetchRecord(Struct, frozen=True):
    """Where an archive was fetched from, and what it was when its MD5 was found to be right.

    Attributes:
        archive: its published file name.
        url: the address, without anything secret; "": it was there already.
        md5: of the whole.
        size: bytes.
        stamp: as `pipeline.storage.FileInfo` has it.
        files: none.
    """

    archive: Text
    url: Text
    md5: ContentHash
    size: Size
    stamp: Text
    files: tuple[FileEntry, ...] = ()


class UnpackedRecord(Struct, frozen=True):
    """What a plain tar was unpacked from, and what both were then.

    Attributes:
        packed: file name of the packed archive, beside it.
        packed_size: bytes of that.
        packed_stamp: as `pipeline.storage.FileInfo` has it.
        md5: of that.
        size: bytes of the plain tar.
        stamp: of that.
        xxh3_128: of all of its bytes, in hex.
        files: none.
    """

    packed: Text
    packed_size: Size
    packed_stamp: Text
    md5: ContentHash
    size: Size
    stamp: Text
    xxh3_128: ContentHash
    files: tuple[FileEntry, ...] = ()


class FingerprintsMark(Struct, frozen=True):
    """The mark of a table of fingerprints.

    Attributes:
        files: the table.
        content: of all fingerprints together.
        root: folder that their paths are relative to, of parts of outputs.
        folder: of annotations.
    """

    files: tuple[FileEntry, ...]
    content: ContentHash
    root: Place = ""
    folder: Place = ""


class Withdrawal(Struct, frozen=True):
    """What is being withdrawn; see `pipeline.state.withdrawal`.

    Attributes:
        parts: numbers of parts by their family.
        families: by the digests of outputs, the family of their shards.
        files: none.
    """

    parts: dict[Digest, tuple[Position, ...]]
    families: dict[Digest, Digest] = field(default_factory=dict)
    files: tuple[FileEntry, ...] = ()
