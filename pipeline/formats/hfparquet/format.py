"""Hugging Face's Parquet as a shard format: images and what is said of them, as `datasets` reads.

It stands on its own: no library of Parquet decides a byte, so none in another version changes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import xxhash

from pipeline.formats.base import RecordOptions, ShardFormat, StoredRecord
from pipeline.formats.base import ShardWriter as AnyWriter
from pipeline.formats.hfparquet import columns, features, shard
from pipeline.formats.reader import Reader
from pipeline.formats.record import ImageRecord
from pipeline.storage import Location, StagedFile


class HuggingFaceParquet(ShardFormat):
    """Parquet files with images in them, whose columns say what they are to `datasets`."""

    name = "hf-parquet"
    title = "Hugging Face Parquet"
    version = shard.WRITER_VERSION
    describes_objects = True
    has_columns = True
    names_objects = True
    writes_ids = False
    readers = (Reader("datasets", ("datasets",)),)

    def files(self, stem: str) -> tuple[str, ...]:
        """Return the shard alone."""
        return (f"{stem}.parquet",)

    def features(self, options: RecordOptions) -> str:
        """Return the columns, which the card beside the splits says, too."""
        return features.metadata(options)

    def writer(
        self,
        files: Sequence[StagedFile],
        options: RecordOptions,
        records: int,  # noqa: ARG002 - records are appended
    ) -> AnyWriter:
        """Return a writer of row groups."""
        (file,) = files
        return shard.ShardWriter(file, options)

    def read(self, path: Location) -> Iterator[StoredRecord]:
        """Yield the images of a shard, each with its row."""
        return shard.read_records(path)

    def parse(
        self,
        record: StoredRecord,
        file: str,  # noqa: ARG002 - the row was parsed when it was read
    ) -> tuple[dict[str, object], memoryview]:
        """Return what a row says, its masks left out."""
        row = _row(record)
        start = len(record.data) - row.size
        return _fields(row.said, row.features), record.data[start:]

    def fields(self, record: ImageRecord, options: RecordOptions) -> dict[str, object]:
        """Return what a row says of an image."""
        return _fields(columns.row(record, options), features.metadata(options))

    def masks_of(self, record: StoredRecord) -> tuple[bytes, ...]:
        """Return the masks that a row has."""
        return tuple(each["bytes"] for each in _row(record).said.get("objects", {}).get("mask", ()))

    def image(self, record: StoredRecord, size: int) -> memoryview | None:
        """Return the end of the page."""
        if _row(record).size != size:
            return None
        return record.data[len(record.data) - size :]

    def is_as_written(
        self, record: StoredRecord, image: ImageRecord, options: RecordOptions
    ) -> bool:
        """Whether row and image are what would be written; of the shard's bytes `read` knows."""
        row = _row(record)
        stored = self.image(record, len(image.encoded))
        return (
            row.said == columns.row(image, options)
            and row.features == features.metadata(options)
            and stored is not None
            and bytes(stored) == bytes(image.encoded)
        )


def _row(record: StoredRecord) -> shard.Row:
    if not isinstance(record.parsed, shard.Row):
        raise TypeError("a record of another format")
    return record.parsed


def _fields(said: dict[str, object], about: str) -> dict[str, object]:
    """Return a row by name, without its masks; of the names of classes a hash."""
    found = {**said, "features": xxhash.xxh3_64_hexdigest(about.encode())}
    objects = found.get("objects")
    if isinstance(objects, dict):
        found["objects"] = {name: each for name, each in objects.items() if name != "mask"}
    return found
