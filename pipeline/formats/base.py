"""What every shard format offers to those who write and check shards; they know no more of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Protocol

from pipeline.formats.record import ImageRecord, Placement
from pipeline.formats.webdataset.shard import Sample
from pipeline.storage import StagedFile

LABELS: Final = ("class", "detection")
"""What RecordIO can have as labels: those of the class or list, or classes and boxes of objects."""


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What decides the bytes of records beside their images.

    Attributes:
        label_offset: added to the class index of a labelled image.
        labels: of RecordIO, one of `LABELS`.
        suffix: what keys customarily end in, see `wids.sample_name`.
    """

    label_offset: int
    labels: str = LABELS[0]
    suffix: str = ".JPEG"


@dataclass(frozen=True, slots=True)
class StoredRecord(Placement):
    """A record as it was read.

    Attributes:
        data: what stands between the framing; a view that is valid until the next one is read.
        line: the record's part of the index.
        sample: of WebDataset only: the sample.
    """

    data: memoryview
    line: bytes
    sample: Sample | None = None


class ShardWriter(Protocol):
    """Writes the records of one shard, and what belongs to it; publishes nothing."""

    def write(self, record: ImageRecord) -> Placement:
        """Append a record.

        Raises:
            BadImage: the format cannot hold the picture.
            BadAnnotation: it cannot hold the labels.
        """

    def finish(self) -> None:
        """Write what belongs to the whole shard."""


class ShardFormat(ABC):
    """One format of shards; see `shardformats.FORMATS`."""

    name: ClassVar[str]
    version: ClassVar[int]
    """Part of the output digest: raised when the same records would give other bytes."""
    label_offset: ClassVar[int] = 0
    """What is added to class indexes unless one says otherwise."""
    jpeg_only: ClassVar[bool] = False
    """Whether each picture must be an RGB or gray JPEG."""
    holds_pictures: ClassVar[bool] = True
    """Whether there are shards at all."""

    @abstractmethod
    def writer(self, files: Sequence[StagedFile], options: RecordOptions) -> ShardWriter:
        """Return a writer into the files of one shard, see `paths.shard_files`."""

    @abstractmethod
    def read(self, path: Path) -> Iterator[StoredRecord]:
        """Yield the records of a shard in order, framing and checksums verified.

        Raises:
            OutputDamaged: the file is missing or not as it is written.
        """

    @abstractmethod
    def wrap(self, record: ImageRecord, options: RecordOptions) -> tuple[bytes, bytes]:
        """Return what stands before and after the picture in the data of a record."""

    @abstractmethod
    def parse(self, record: StoredRecord, file: str) -> tuple[dict[str, object], memoryview]:
        """Return what a record says, by name, and its picture.

        Raises:
            OutputDamaged: it is not as it is written; `file` is what it names.
        """

    @abstractmethod
    def fields(self, record: ImageRecord, options: RecordOptions) -> dict[str, object]:
        """Return what `parse` finds in the record of an image."""

    def picture(self, record: StoredRecord, size: int) -> memoryview | None:
        """Return the picture of a record, `size` bytes long; None if it can have no such one."""
        start = len(record.data) - size
        return record.data[start:] if start >= 0 else None

    @abstractmethod
    def unframed(self, view: memoryview, offset: int) -> StoredRecord | None:
        """Return the record that a view of a shard holds, unchecked; None if nobody can tell."""

    def index(self, lines: Sequence[bytes]) -> bytes:
        """Return an index of these lines."""
        return b"".join(lines)
