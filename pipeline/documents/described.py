"""What is kept of an archive that was read to be described."""

from __future__ import annotations

from msgspec import Struct

from pipeline.documents.records import ErrorRecord, RecordedBrokenTar
from pipeline.documents.values import ContentHash, Place, Size
from pipeline.manifest import FileEntry


class ListedArchive(Struct, frozen=True):
    """The mark of the listing of an archive.

    Attributes:
        path: of the archive.
        size: bytes.
        md5: of the whole.
        files: the listing of its members; of what cannot be read as a tar, up to where it breaks.
        refusal: why it cannot be read, see `ShardmillError.to_record`; None: it can.
        broken: the tars in it that cannot be read.
    """

    path: Place
    size: Size
    md5: ContentHash
    files: tuple[FileEntry, ...]
    refusal: ErrorRecord | None = None
    broken: tuple[RecordedBrokenTar, ...] = ()
