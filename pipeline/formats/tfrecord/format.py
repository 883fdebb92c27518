"""TFRecord as a shard format: tf.train.Examples, with the indexes that DALI reads them by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.formats.base import LABELS, RecordOptions, ShardWriter, StoredRecord
from pipeline.formats.examples.base import ExampleFormat
from pipeline.formats.found import FoundImage, Note, ReadsOthers
from pipeline.formats.record import Placement
from pipeline.formats.tfrecord import found, shard
from pipeline.storage import Location, StagedFile


class TFRecord(ExampleFormat, ReadsOthers):
    """tf.train.Examples in TFRecord files, with DALI's indexes."""

    name = "tfrecord"
    title = "TFRecord"
    version = shard.WRITER_VERSION
    label_offset = 1  # 0 is TensorFlow's background class
    needs_label_map = True  # TensorFlow's Object Detection API asks for it

    def files(self, stem: str) -> tuple[str, ...]:
        """Return shard and index: in a folder beside the shards, where no pattern finds it."""
        return stem, f"idx/{stem}"

    def writer(
        self,
        files: Sequence[StagedFile],
        options: RecordOptions,
        records: int,  # noqa: ARG002 - records are appended
    ) -> ShardWriter:
        """Return a writer into shard and index."""
        records_file, index = files
        return shard.TFRecordWriter(
            records_file,
            index,
            label_offset=options.label_offset,
            described=options.labels != LABELS[0],
        )

    def read(self, path: Location) -> Iterator[StoredRecord]:
        """Yield the records of a shard."""
        for record in shard.read_records(path):
            line = shard.index_lines([record])
            yield StoredRecord(record.offset, record.length, record.data, line)

    def unframed(self, view: memoryview, offset: int) -> StoredRecord | None:
        """Return the record less its framing."""
        placement = Placement(offset, len(view))
        data = shard.unframed(view)
        line = shard.index_lines([placement])
        return None if data is None else StoredRecord(offset, len(view), data, line)

    def is_shard(self, head: bytes) -> bool:
        """Whether a file begins with a record."""
        return found.is_shard(head)

    def images(self, path: Location, note: Note) -> Iterator[FoundImage]:
        """Yield the images of Examples of any program."""
        return found.images(path, note)
