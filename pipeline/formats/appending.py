"""A writer of records that are one image between two byte strings, one after another."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.formats.record import ImageRecord, Placement
from pipeline.storage import StagedFile


class AppendingWriter:
    """Appends records to one file; nothing belongs to the whole shard.

    Args:
        file: the shard.
        wrap: returns what stands before and after the image of a record.
    """

    def __init__(
        self, file: StagedFile, wrap: Callable[[ImageRecord], tuple[bytes, bytes]]
    ) -> None:
        self._file, self._wrap = file, wrap

    def write(self, record: ImageRecord) -> Placement:
        """Append a record; its image is written from where it stands, uncopied."""
        before, after = self._wrap(record)
        offset = self._file.size
        return Placement(offset, self._file.write(before, record.encoded, after))

    def finish(self) -> None:
        """Do nothing."""
