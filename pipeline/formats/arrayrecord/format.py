"""ArrayRecord as a shard format: tf.train.Examples, which Grain reads by their numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.formats.arrayrecord import shard
from pipeline.formats.arrayrecord.library import library
from pipeline.formats.base import RecordOptions, ShardWriter, StoredRecord
from pipeline.formats.examples.base import ExampleFormat
from pipeline.formats.reader import Reader
from pipeline.formats.record import ImageRecord
from pipeline.storage import Location, StagedFile


class ArrayRecord(ExampleFormat):
    """tf.train.Examples in ArrayRecord files, each found by its number."""

    name = "arrayrecord"
    title = "ArrayRecord"
    version = shard.WRITER_VERSION
    readers = (Reader("Grain", ("grain",)),)

    def check_installed(self) -> None:
        """Check that the library is there: only its writer needs it."""
        library()

    def files(self, stem: str) -> tuple[str, ...]:
        """Return the shard alone, with the suffix that TensorFlow Datasets gives such files."""
        return (f"{stem}.array_record",)

    def writer(
        self,
        files: Sequence[StagedFile],
        options: RecordOptions,
        records: int,  # noqa: ARG002 - records are appended
    ) -> ShardWriter:
        """Return a writer that has the library write into the file."""
        (file,) = files

        def wrap(record: ImageRecord) -> tuple[bytes, bytes]:
            return self.wrap(record, options)

        return shard.ArrayRecordWriter(file, wrap)

    def read(self, path: Location) -> Iterator[StoredRecord]:
        """Yield the records of a shard."""
        return shard.read_records(path)

    def unframed(self, view: memoryview, offset: int) -> StoredRecord | None:
        """Return the record less chunk and blocks."""
        return shard.unframed(view, offset)
