"""What formats share whose records are tf.train.Examples, however a file frames them."""

from __future__ import annotations

from pipeline.formats.base import LABELS, ContiguousFormat, RecordOptions, StoredRecord
from pipeline.formats.examples import example, objects
from pipeline.formats.record import ImageRecord, fields_of


class ExampleFormat(ContiguousFormat):
    """A format of tf.train.Examples, each of which ends in its image."""

    jpeg_only = True  # which is what the Examples say of them
    describes_objects = True
    writes_ids = False

    def wrap(self, record: ImageRecord, options: RecordOptions) -> tuple[bytes, bytes]:
        """Return the Example up to its image; nothing follows that."""
        described = options.labels != LABELS[0]
        return example.encode_head(record, options.label_offset, described=described), b""

    def parse(self, record: StoredRecord, file: str) -> tuple[dict[str, object], memoryview]:
        """Return the features of an Example."""
        parsed = example.parse_example(record.data, file=file)
        return parsed.fields(), parsed.encoded

    def fields(self, record: ImageRecord, options: RecordOptions) -> dict[str, object]:
        """Return the features of an image."""
        fields = fields_of(record, options.label_offset)
        if options.labels == LABELS[0]:
            return fields
        return fields | objects.described(record, options.label_offset)

    def masks_of(self, record: StoredRecord) -> tuple[bytes, ...]:
        """Return the masks that an Example has."""
        return example.parse_example(record.data).masks
