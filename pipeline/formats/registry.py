"""The shard formats by one interface, `shardformat.ShardFormat`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from pipeline.errors import BadAnnotation
from pipeline.formats.base import LABELS, RecordOptions, ShardFormat, ShardWriter, StoredRecord
from pipeline.formats.record import ImageRecord, Placement
from pipeline.formats.recordio import header as irheader
from pipeline.formats.recordio import shard as recordio
from pipeline.formats.recordio.header import IndexedRecord
from pipeline.formats.tfrecord import example
from pipeline.formats.tfrecord import shard as tfrecord
from pipeline.formats.tfrecord.example import ParsedExample, stored_label
from pipeline.formats.webdataset import index as wids
from pipeline.formats.webdataset import shard as webdataset
from pipeline.storage import RangeReader, StagedFile


class TFRecord(ShardFormat):
    """tf.train.Examples in TFRecord files, with DALI's indexes."""

    name = "tfrecord"
    version = tfrecord.WRITER_VERSION
    label_offset = 1  # 0 is TensorFlow's background class
    jpeg_only = True  # which is what its Examples say of them

    def writer(self, files: Sequence[StagedFile], options: RecordOptions) -> ShardWriter:
        """Return a writer into shard and index."""
        shard, index = files
        return tfrecord.TFRecordWriter(shard, index, label_offset=options.label_offset)

    def read(self, path: Path) -> Iterator[StoredRecord]:
        """Yield the records of a shard."""
        for record in tfrecord.read_records(path):
            line = tfrecord.index_lines([record])
            yield StoredRecord(record.offset, record.length, record.data, line)

    def wrap(self, record: ImageRecord, options: RecordOptions) -> tuple[bytes, bytes]:
        """Return the Example up to its picture; nothing follows that."""
        return example.encode_head(record, options.label_offset), b""

    def parse(self, record: StoredRecord, file: str) -> tuple[dict[str, object], memoryview]:
        """Return the features of an Example."""
        parsed = example.parse_example(record.data, file=file)
        return _of_example(parsed), parsed.encoded

    def fields(self, record: ImageRecord, options: RecordOptions) -> dict[str, object]:
        """Return the features of an image."""
        return _of_image(record, options)

    def unframed(self, view: memoryview, offset: int) -> StoredRecord | None:
        """Return the record less its framing."""
        placement = Placement(offset, len(view))
        data = tfrecord.unframed(view)
        line = tfrecord.index_lines([placement])
        return None if data is None else StoredRecord(offset, len(view), data, line)


class RecordIO(ShardFormat):
    """Image records of MXNet in RecordIO files, with indexes and image lists."""

    name = "recordio"
    version = recordio.WRITER_VERSION

    def writer(self, files: Sequence[StagedFile], options: RecordOptions) -> ShardWriter:
        """Return a writer into shard, index and image list."""
        return _RecordIOWriter(files, options)

    def read(self, path: Path) -> Iterator[StoredRecord]:
        """Yield the records of a shard."""
        for number, record in enumerate(recordio.read_records(path), start=1):
            place = f"{path}, record {number}, byte {record.offset}"
            parsed = irheader.parse_header(record.data, file=place)
            line = recordio.index_lines([parsed.id], [record.offset])
            yield StoredRecord(record.offset, record.length, record.data, line)

    def wrap(self, record: ImageRecord, options: RecordOptions) -> tuple[bytes, bytes]:
        """Return the header and the labels; nothing follows the picture."""
        return irheader.encode_header(_indexed(record, options)), b""

    def parse(self, record: StoredRecord, file: str) -> tuple[dict[str, object], memoryview]:
        """Return id and labels."""
        parsed = irheader.parse_header(record.data, file=file)
        return {"id": parsed.id, "labels": parsed.labels}, parsed.encoded

    def fields(self, record: ImageRecord, options: RecordOptions) -> dict[str, object]:
        """Return id and labels of an image."""
        labels = irheader.as_float32(_labels(record, options))
        return {"id": record.id, "labels": tuple(labels.tolist())}

    def unframed(self, view: memoryview, offset: int) -> None:
        """Return None: without its framing, nobody can tell where a record was cut."""


class WebDataset(ShardFormat):
    """Samples in tar archives, with DALI's indexes."""

    name = "webdataset"
    version = webdataset.WRITER_VERSION

    def writer(self, files: Sequence[StagedFile], options: RecordOptions) -> ShardWriter:
        """Return a writer into shard and index."""
        shard, index = files
        offset, suffix = options.label_offset, options.suffix
        return webdataset.WebDatasetWriter(shard, index, label_offset=offset, suffix=suffix)

    def read(self, path: Path) -> Iterator[StoredRecord]:
        """Yield the samples of a shard."""
        reader: RangeReader | None = None
        try:
            for sample in webdataset.read_samples(path):
                reader = reader or RangeReader(path)
                line = wids.index_line(sample.members)
                data = reader.read(sample.offset, sample.length)
                yield StoredRecord(sample.offset, sample.length, data, line, sample)
        finally:
            if reader is not None:
                reader.close()

    def wrap(self, record: ImageRecord, options: RecordOptions) -> tuple[bytes, bytes]:
        """Return the header of the picture's member, and what follows the picture."""
        return webdataset.envelope(record, options.label_offset, options.suffix)

    def parse(
        self,
        record: StoredRecord,
        file: str,  # noqa: ARG002 - the sample was parsed when it was read
    ) -> tuple[dict[str, object], memoryview]:
        """Return the facts of a sample."""
        sample = _sample(record)
        return _of_example(sample.content) | {"name": sample.name}, sample.content.encoded

    def fields(self, record: ImageRecord, options: RecordOptions) -> dict[str, object]:
        """Return the facts of an image."""
        name = wids.sample_name(record.key, options.suffix)
        return _of_image(record, options) | {"name": name}

    def picture(self, record: StoredRecord, size: int) -> memoryview | None:
        """Return the data of the first member."""
        encoded = _sample(record).content.encoded
        return encoded if len(encoded) == size else None

    def unframed(self, view: memoryview, offset: int) -> None:
        """Return None: a broken header is read by nobody."""

    def index(self, lines: Sequence[bytes]) -> bytes:
        """Return an index of these lines."""
        return wids.index_content(lines)


class Facts(ShardFormat):
    """No shards: only what there is to know of the pictures, as they lie in their source."""

    name = "facts"
    version = 1
    holds_pictures = False

    def writer(
        self,
        files: Sequence[StagedFile],  # noqa: ARG002 - there is none
        options: RecordOptions,  # noqa: ARG002
    ) -> ShardWriter:
        """Return a writer that writes nothing."""
        return _NoWriter()

    def read(self, path: Path) -> Iterator[StoredRecord]:  # noqa: ARG002
        """Yield nothing."""
        return iter(())

    def wrap(
        self,
        record: ImageRecord,  # noqa: ARG002
        options: RecordOptions,  # noqa: ARG002
    ) -> tuple[bytes, bytes]:
        """Return nothing."""
        return b"", b""

    def parse(
        self,
        record: StoredRecord,
        file: str,  # noqa: ARG002
    ) -> tuple[dict[str, object], memoryview]:
        """Return what a record would say."""
        return {}, record.data

    def fields(
        self,
        record: ImageRecord,  # noqa: ARG002
        options: RecordOptions,  # noqa: ARG002
    ) -> dict[str, object]:
        """Return nothing."""
        return {}

    def unframed(self, view: memoryview, offset: int) -> None:
        """Return None: there is no record."""


FORMATS: Final[Mapping[str, ShardFormat]] = {
    each.name: each for each in (TFRecord(), RecordIO(), WebDataset())
}
"""Every format of shards by its name."""
FACTS: Final = Facts.name
ALL: Final[Mapping[str, ShardFormat]] = {**FORMATS, FACTS: Facts()}
"""Everything that is made in the way of shards."""


class _NoWriter:
    """Writes nothing."""

    digests = ()

    def write(self, record: ImageRecord) -> Placement:  # noqa: ARG002
        return Placement(0, 0)

    def finish(self) -> None:
        pass


class _RecordIOWriter:
    """Gives images to a `RecordIOWriter` as it wants them."""

    def __init__(self, files: Sequence[StagedFile], options: RecordOptions) -> None:
        shard, index, listing = files
        self._writer = recordio.RecordIOWriter(shard, index, listing)
        self._options = options

    def write(self, record: ImageRecord) -> Placement:
        return self._writer.write(_indexed(record, self._options))

    def finish(self) -> None:
        self._writer.finish()


def _indexed(record: ImageRecord, options: RecordOptions) -> IndexedRecord:
    return IndexedRecord(record.id, _labels(record, options), record.encoded, _path(record))


def _labels(record: ImageRecord, options: RecordOptions) -> irheader.Labels:
    label = stored_label(record.class_index, options.label_offset)
    if options.labels == LABELS[0]:
        return record.labels or (label,)
    classes = [
        label if own < 0 else stored_label(own, options.label_offset)
        for own in record.box_classes or (-1,) * len(record.boxes)
    ]
    if min(classes, default=label) < 0:
        raise BadAnnotation("no class is known of the objects", expected="a labelled image")
    size = (record.width, record.height)
    return irheader.detection_labels(classes, record.boxes, header=size)


def _path(record: ImageRecord) -> str:
    """Return what an image list names a picture: as it lies in a tree, or in its source."""
    folder = record.synset or record.key.rpartition("/")[0]
    return f"{folder}/{record.filename}" if folder or record.key[:1] == "/" else record.filename


def _sample(record: StoredRecord) -> webdataset.Sample:
    if record.sample is None:
        raise ValueError("a record of another format")
    return record.sample


def _of_example(parsed: ParsedExample) -> dict[str, object]:
    return {
        "filename": parsed.filename,
        "label": parsed.label,
        "synset": parsed.synset,
        "text": parsed.text,
        "width": parsed.width,
        "height": parsed.height,
        "labels": parsed.labels,
    }


def _of_image(record: ImageRecord, options: RecordOptions) -> dict[str, object]:
    return {
        "filename": record.filename,
        "label": stored_label(record.class_index, options.label_offset),
        "synset": record.synset,
        "text": record.text,
        "width": record.width,
        "height": record.height,
        "labels": record.labels,
    }
