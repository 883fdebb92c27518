"""RecordIO as a shard format: MXNet's image records, with indexes and image lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pipeline.errors import BadAnnotation
from pipeline.formats.base import (
    DETECTION,
    JOINED,
    LABELS,
    ContiguousFormat,
    RecordOptions,
    ShardWriter,
    StoredRecord,
)
from pipeline.formats.found import FoundImage, Note, ReadsOthers
from pipeline.formats.reader import Reader
from pipeline.formats.record import ImageRecord, Placement, object_labels, stored_label
from pipeline.formats.recordio import found, header, shard
from pipeline.formats.recordio.framing import MAGIC_BYTES
from pipeline.formats.recordio.header import IndexedRecord
from pipeline.formats.recordio.shard import IndexedShard, RecordIOWriter
from pipeline.storage import Location, StagedFile


class RecordIO(ContiguousFormat, ReadsOthers):
    """Image records of MXNet in RecordIO files, with indexes and image lists."""

    name = "recordio"
    title = "RecordIO"
    version = shard.WRITER_VERSION
    takes = (DETECTION, JOINED)
    one_label_width = True
    readers = (
        Reader("MXNet", ("mxnet", "mxnet-cu112", "mxnet-cu110")),
        Reader("DALI", ("nvidia-dali-cuda120", "nvidia-dali-cuda130", "nvidia-dali-cuda110")),
    )

    def files(self, stem: str) -> tuple[str, ...]:
        """Return shard, index and image list, side by side, where MXNet looks for them."""
        return f"{stem}.rec", f"{stem}.idx", f"{stem}.lst"

    def writer(
        self,
        files: Sequence[StagedFile],
        options: RecordOptions,
        records: int,  # noqa: ARG002 - records are appended
    ) -> ShardWriter:
        """Return a writer into shard, index and image list."""
        return _Writer(files, options)

    def read(self, path: Location) -> Iterator[StoredRecord]:
        """Yield the records of a shard."""
        for number, record in enumerate(shard.read_records(path), start=1):
            place = f"{path}, record {number}, byte {record.offset}"
            parsed = header.parse_header(record.data, file=place)
            line = shard.index_lines([parsed.id], [record.offset])
            yield StoredRecord(record.offset, record.length, record.data, line)

    def wrap(self, record: ImageRecord, options: RecordOptions) -> tuple[bytes, bytes]:
        """Return the header and the labels; nothing follows the image."""
        return header.encode_header(_indexed(record, options)), b""

    def parse(self, record: StoredRecord, file: str) -> tuple[dict[str, object], memoryview]:
        """Return id and labels."""
        parsed = header.parse_header(record.data, file=file)
        return {"id": parsed.id, "labels": parsed.labels}, parsed.encoded

    def fields(self, record: ImageRecord, options: RecordOptions) -> dict[str, object]:
        """Return id and labels of an image."""
        labels = header.as_float32(_labels(record, options))
        return {"id": record.id, "labels": tuple(labels.tolist())}

    def join(self, shards: Iterable[Sequence[Location]], files: Sequence[StagedFile]) -> int:
        """Copy the records of finished shards, with their ids and lines of the list."""
        writer = RecordIOWriter(*files)
        shard.join((IndexedShard(*each) for each in shards), writer)
        return writer.records

    def is_shard(self, head: bytes) -> bool:
        """Whether a file begins with a part of a record."""
        return head.startswith(MAGIC_BYTES)

    def images(self, path: Location, note: Note) -> Iterator[FoundImage]:
        """Yield the images of records that any program has packed."""
        return found.images(path, note)


class _Writer:
    """Gives images to a `RecordIOWriter` as it wants them."""

    def __init__(self, files: Sequence[StagedFile], options: RecordOptions) -> None:
        self._writer = RecordIOWriter(*files)
        self._options = options

    def write(self, record: ImageRecord) -> Placement:
        return self._writer.write(_indexed(record, self._options))

    def finish(self) -> None:
        self._writer.finish()


def _indexed(record: ImageRecord, options: RecordOptions) -> IndexedRecord:
    return IndexedRecord(record.id, _labels(record, options), record.encoded, _path(record))


def _labels(record: ImageRecord, options: RecordOptions) -> header.Labels:
    if options.multi_hot:
        return _multi_hot(record, options.multi_hot)
    label = stored_label(record.class_index, options.label_offset)
    if options.labels == LABELS[0]:
        return record.labels or (label,)
    classes = object_labels(record, options.label_offset)
    if min(classes, default=label) < 0:
        raise BadAnnotation("no class is known of the objects", expected="a labelled image")
    size = (record.width, record.height)
    return header.detection_labels(classes, record.boxes, header=size)


def _multi_hot(record: ImageRecord, classes: int) -> header.Labels:
    """Return (classes,) float32: 1 for each class of the image, else 0.

    `ImageRecordIter` takes vectors of one width only, so the indexes of the classes, of which
    images have different numbers, are no labels for it.
    """
    vector = np.zeros(classes, np.float32)
    vector[[int(label) for label in record.labels or _class_of(record)]] = 1
    return vector


def _class_of(record: ImageRecord) -> tuple[int, ...]:
    return (record.class_index,) if record.class_index >= 0 else ()


def _path(record: ImageRecord) -> str:
    """Return what an image list names an image: as it lies in a tree, or in its source.

    No folder is called as a MID of Open Images, which begins with a slash.
    """
    is_folder = "/" not in record.class_id
    folder = (record.class_id if is_folder else "") or record.key.rpartition("/")[0]
    return f"{folder}/{record.filename}" if folder or record.key[:1] == "/" else record.filename
