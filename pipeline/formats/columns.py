"""What formats share whose records all have the same columns, see `ShardFormat.has_columns`."""

from __future__ import annotations

from pipeline.errors import BadAnnotation
from pipeline.formats.base import LABELS, RecordOptions
from pipeline.formats.record import ImageRecord


def described(options: RecordOptions) -> bool:
    """Whether there are columns that describe each object."""
    return options.boxes and options.labels != LABELS[0]


def check_columns(record: ImageRecord, options: RecordOptions) -> None:
    """Check that there are columns for what is said of an image.

    Raises:
        BadAnnotation: there are not.
    """
    if (record.labels and not options.vectors) or (record.boxes and not options.boxes):
        raise BadAnnotation(
            "more is said of the image than the shards have columns for",
            file=record.key,
            expected="one label" if options.boxes else "one label, and no boxes",
            found=f"{len(record.labels)} labels, {len(record.boxes)} boxes",
            remedy="leave this image out, or write another format",
        )
