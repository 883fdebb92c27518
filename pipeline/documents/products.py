"""The marks of products whose paths carry no digest."""

from __future__ import annotations

from typing import Final

from msgspec import Struct, field

from pipeline.documents.values import (
    Below,
    ContentHash,
    Digest,
    Key,
    Name,
    Position,
    Sha256,
    Size,
    Text,
)
from pipeline.manifest import FileEntry

FORM: Final = "form"
"""What `ProductMark.made_of` calls how objects are described, where it is not in the usual way."""


class DescribedEntry(Struct, frozen=True):
    """A file that a description of the whole names, with the SHA-256 that was computed of it."""

    file: Below
    bytes: Size
    xxh3_128: ContentHash
    sha256: Sha256


class ProductMark(Struct, frozen=True):
    """The mark of a product: whose it is, and whether it is finished.

    Attributes:
        digest: of what decides its bytes.
        finished: whether it is.
        files: its files; none of a tree.
        made_of: what went into it, by name; empty: an older version did not say.
        closing: what the command says of it at its end.
        repaired: of boxes, how many; so are `dropped` and `refused`.
        records: of joined shards.
        rows: of a table.
        folder: of a tree; so are the numbers of its `classes`, `groups` and `images`.
        left_out: of an image list, a digest of the images that it lacks; "" for none.
        sha256: of a description, the files that it names.
        replaces: of a tree that is not finished: digests of those that stood there before, whose
            images go where it has none of their names.
    """

    digest: Digest
    finished: bool
    files: tuple[FileEntry, ...]
    made_of: dict[Key, Text] = field(default_factory=dict)
    closing: tuple[Text, ...] = ()
    repaired: Size | None = None
    dropped: Size | None = None
    refused: Size | None = None
    records: Size | None = None
    rows: Size | None = None
    folder: Name | None = None
    classes: Size = 0
    groups: Position = 0
    images: Size = 0
    left_out: Text = ""
    sha256: tuple[DescribedEntry, ...] = ()
    replaces: tuple[Digest, ...] = ()
