"""The marks of finished shards and of finished groups of classes of a tree."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct, field

from pipeline.documents.values import ContentHash, Digest, Key, Name, Position, Size, Text
from pipeline.manifest import FileEntry


class MadeOf(Struct, frozen=True):
    """Which files a part was made of; see `pipeline.shards.part_sources`.

    Attributes:
        family: digest of the shards or of the tree.
        content: of its fingerprints.
    """

    family: Digest
    content: ContentHash


class UnverifiedContents(Struct, frozen=True):
    """What a shard was made of before its archives were verified; see `shards.unverified`.

    Attributes:
        archives: file names of those that its split lies in.
        content: xxh3-128 of its rows in the plan and of its images.
    """

    archives: tuple[Text, ...]
    content: ContentHash


class LeftOutImage(Struct, frozen=True):
    """An image that is in the plan and in no shard; see `pipeline.shards.read.LeftOut`."""

    key: Key
    source: Text
    offset: Size
    reason: Text
    line: Size = 0
    max_pixels: Size = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        document: dict[str, Any] = {"key": self.key, "source": self.source, "offset": self.offset}
        if self.line:
            document["line"] = self.line
        if self.max_pixels:
            document["max_pixels"] = self.max_pixels
        return document | {"reason": self.reason}


class RepairedImage(Struct, frozen=True):
    """An image whose bytes were changed; see `pipeline.images.prepare.Repair`."""

    key: Key
    codec: Text
    source_xxh3_128: ContentHash
    reason: Text = ""


class ShardMark(Struct, frozen=True):
    """The manifest of one shard; file names are relative to the output folder."""

    LISTS_IMAGES: ClassVar = True

    output: Digest
    format: Name
    split: Name
    shard: Position
    records: Size
    files: Annotated[tuple[FileEntry, ...], Meta(min_length=1)]
    boxes: Size = 0
    repairs: tuple[RepairedImage, ...] = ()
    left_out: tuple[LeftOutImage, ...] = ()
    without_boxes: tuple[Key, ...] = ()
    notes: dict[Key, Size] = field(default_factory=dict)
    made_of: MadeOf | None = None
    unverified: UnverifiedContents | None = None


class GroupMark(Struct, frozen=True):
    """The mark of one group of classes of a tree, which names the listing of its files."""

    files: Annotated[tuple[FileEntry, ...], Meta(min_length=1)]
    images: Size = 0
    made_of: MadeOf | None = None


class WriterTerms(Struct, frozen=True):
    """What writes the shards of a split in one format.

    Attributes:
        format: name of the shard format.
        output: digest of everything that decides the bytes.
        version: of the writer of the format.
        codec: what encodes images anew; "": nothing does.
    """

    format: Name
    output: Digest
    version: Size
    codec: Text = ""


class ShardTerms(Struct, frozen=True):
    """What whoever asks for shards of a split knows of their bytes.

    Attributes:
        split: name of the split.
        shards: digest of which image goes where; see `SplitJob`.
        writers: one for each format.
        files: none.
    """

    split: Name
    shards: Digest
    writers: tuple[WriterTerms, ...]
    files: tuple[FileEntry, ...] = ()


class ShardClaim(Struct, frozen=True):
    """Which process says that it is writing a shard; see `pipeline.state.shard_claims`.

    Attributes:
        host: name of its machine.
        pid: its number.
        place: of machine and PID namespace; see `pipeline.storage.local.owner`.
        birth: of boot and start.
        renewed: how often it has said so again.
        files: none.
    """

    host: Text
    pid: Position
    place: Text = ""
    birth: Text = ""
    renewed: Size = 0
    files: tuple[FileEntry, ...] = ()
