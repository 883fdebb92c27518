"""MDS as a shard format: samples of columns, with the index of the whole output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline.formats.base import (
    ContiguousFormat,
    RecordOptions,
    ShardWriter,
    StoredRecord,
    WrittenShard,
)
from pipeline.formats.found import FoundImage, Note, ReadsOthers
from pipeline.formats.mds import columns, found, index, shard
from pipeline.formats.reader import Reader
from pipeline.formats.record import ImageRecord
from pipeline.storage import Location, StagedFile


class Mds(ContiguousFormat, ReadsOthers):
    """Samples of columns in MDS shards, and the index that MosaicML's streaming opens."""

    name = "mds"
    title = "MDS"
    version = shard.WRITER_VERSION
    describes_objects = True
    has_columns = True
    writes_ids = False
    readers = (Reader("streaming", ("mosaicml-streaming",)),)
    ends = found.ENDS
    plain_name = "shard"

    def whole_files(self) -> tuple[str, ...]:
        """Return the index, besides those of every format."""
        return (*super().whole_files(), index.NAME)

    def whole(
        self, split: str, shards: Sequence[WrittenShard], options: RecordOptions
    ) -> Mapping[str, Iterable[bytes]]:
        """Return the index, besides what every format has."""
        names = [self.files(each.stem)[0] for each in shards]
        content = index.index(names, shards, options)
        return {**super().whole(split, shards, options), index.NAME: [content]}

    def writer(
        self, files: Sequence[StagedFile], options: RecordOptions, records: int
    ) -> ShardWriter:
        """Return a writer that leaves room for the table of so many samples."""
        (file,) = files
        return shard.MdsWriter(file, options, records)

    def read(self, path: Location) -> Iterator[StoredRecord]:
        """Yield the samples of a shard."""
        return shard.read_samples(path)

    def wrap(self, record: ImageRecord, options: RecordOptions) -> tuple[bytes, bytes]:
        """Return the columns before the image, sizes first, and those behind it."""
        return shard.envelope(record, options, columns.columns(options))

    def parse(self, record: StoredRecord, file: str) -> tuple[dict[str, object], memoryview]:
        """Return the columns of a sample, its masks left out."""
        said, image = shard.parsed(record, _sample(record), file)
        return _without_masks(said), image

    def fields(self, record: ImageRecord, options: RecordOptions) -> dict[str, object]:
        """Return the columns of an image."""
        return _without_masks(columns.said(record, options, columns.columns(options)))

    def is_shard(self, head: bytes) -> bool:
        """Say no: the name alone tells, a shard begins with a number."""
        del head
        return False

    def images(self, path: Location, note: Note) -> Iterator[FoundImage]:
        """Yield the images of a shard of any program."""
        return found.images(path, note)

    def shards_beside(self, path: Location) -> tuple[str, ...]:
        """Return the shards of the index in the folder of one."""
        return found.names_in_index(path)

    def masks_of(self, record: StoredRecord) -> tuple[bytes, ...]:
        """Return the masks that a sample has."""
        said, _ = shard.parsed(record, _sample(record), "a shard")
        return tuple(said.get(columns.MASKS, ()))

    def image(self, record: StoredRecord, size: int) -> memoryview | None:
        """Return the image, which may stand before other columns."""
        start = _sample(record).image
        before = record.data[start : start + size]
        return before if len(before) == size else None

    def is_as_written(
        self, record: StoredRecord, image: ImageRecord, options: RecordOptions
    ) -> bool:
        """Whether a sample is what would be written, and the shard says so of its columns."""
        same_columns = _sample(record).columns == columns.columns(options)
        return same_columns and super().is_as_written(record, image, options)


def _sample(record: StoredRecord) -> shard.Sample:
    if not isinstance(record.parsed, shard.Sample):
        raise TypeError("a record of another format")
    return record.parsed


def _without_masks(said: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in said.items() if name != columns.MASKS}
