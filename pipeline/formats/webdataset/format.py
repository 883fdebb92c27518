"""WebDataset as a shard format: samples in tar archives, with DALI's indexes and that of wids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from pipeline.formats.base import (
    LABELS,
    ContiguousFormat,
    RecordOptions,
    ShardWriter,
    StoredRecord,
    WrittenShard,
)
from pipeline.formats.reader import Reader
from pipeline.formats.record import ImageRecord, fields_of
from pipeline.formats.webdataset import index, objects, shard
from pipeline.formats.webdataset.index import ShardFacts
from pipeline.formats.webdataset.shard import Sample
from pipeline.storage import Location, Ranges, StagedFile, open_ranges

_OF_WIDS: Final = "index.json"


class WebDataset(ContiguousFormat):
    """Samples in tar archives, with DALI's indexes and, of the whole output, that of wids."""

    name = "webdataset"
    title = "WebDataset"
    version = shard.WRITER_VERSION
    cuts_names = True
    describes_objects = True
    writes_ids = False
    readers = (Reader("webdataset", ("webdataset",)),)

    def files(self, stem: str) -> tuple[str, ...]:
        """Return shard and index."""
        return f"{stem}.tar", f"idx/{stem}.idx"

    def whole_files(self) -> tuple[str, ...]:
        """Return the index of wids, besides those of every format."""
        return (*super().whole_files(), _OF_WIDS)

    def whole(
        self, split: str, shards: Sequence[WrittenShard], options: RecordOptions
    ) -> Mapping[str, Iterable[bytes]]:
        """Return the index of wids, besides what every format has."""
        listed = [ShardFacts(self.files(s.stem)[0], s.records, s.bytes) for s in shards]
        content = index.wids_index(listed, name=split)
        return {**super().whole(split, shards, options), _OF_WIDS: [content]}

    def writer(
        self,
        files: Sequence[StagedFile],
        options: RecordOptions,
        records: int,  # noqa: ARG002 - records are appended
    ) -> ShardWriter:
        """Return a writer into shard and index."""
        archive, listed = files
        return shard.WebDatasetWriter(
            archive,
            listed,
            label_offset=options.label_offset,
            suffix=options.suffix,
            described=options.labels != LABELS[0],
        )

    def read(self, path: Location) -> Iterator[StoredRecord]:
        """Yield the samples of a shard."""
        reader: Ranges | None = None
        try:
            for sample in shard.read_samples(path):
                reader = reader or open_ranges(path)
                line = index.index_line(sample.members)
                data = reader.read(sample.offset, sample.length)
                yield StoredRecord(sample.offset, sample.length, data, line, sample)
        finally:
            if reader is not None:
                reader.close()

    def wrap(self, record: ImageRecord, options: RecordOptions) -> tuple[bytes, bytes]:
        """Return the header of the image's member, and what follows the image."""
        described = options.labels != LABELS[0]
        return shard.envelope(record, options.label_offset, options.suffix, described=described)

    def parse(
        self,
        record: StoredRecord,
        file: str,  # noqa: ARG002 - the sample was parsed when it was read
    ) -> tuple[dict[str, object], memoryview]:
        """Return the facts of a sample."""
        sample = _sample(record)
        return sample.content.fields() | {"name": sample.name}, sample.content.encoded

    def fields(self, record: ImageRecord, options: RecordOptions) -> dict[str, object]:
        """Return the facts of an image."""
        name = index.sample_name(record.key, options.suffix)
        fields = fields_of(record, options.label_offset) | {"name": name}
        return fields if options.labels == LABELS[0] else fields | objects.fields(record)

    def masks_of(self, record: StoredRecord) -> tuple[bytes, ...]:
        """Return the masks that a sample has."""
        content = _sample(record).content
        return objects.masks(content.described, (content.width, content.height))

    def image(self, record: StoredRecord, size: int) -> memoryview | None:
        """Return the data of the first member."""
        encoded = _sample(record).content.encoded
        return encoded if len(encoded) == size else None

    def index(self, lines: Sequence[bytes]) -> bytes:
        """Return an index of these lines."""
        return index.index_content(lines)

    def is_cut(self, key: str, suffix: str) -> bool:
        """Whether a sample's name is not all of its key."""
        return index.is_shortened(index.sample_name(key, suffix))


def _sample(record: StoredRecord) -> Sample:
    if not isinstance(record.parsed, Sample):
        raise TypeError("a record of another format")
    return record.parsed
