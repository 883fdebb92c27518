"""The format without shards: the facts of each image are collected, and no record is written."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from pipeline.formats.base import RecordOptions, ShardFormat, ShardWriter, StoredRecord
from pipeline.formats.record import ImageRecord, Placement
from pipeline.storage import Location, StagedFile

if TYPE_CHECKING:
    from pipeline.images.prepare import ImageOptions

_NOWHERE = Placement(0, 0)


class Facts(ShardFormat):
    """No shards: only what there is to know of the images, as they lie in their source."""

    name = "facts"
    title = "facts"
    version = 1
    holds_images = False
    writes_ids = False

    def refusals(self, image: ImageOptions, others: Collection[str]) -> Iterator[str]:
        """Yield that there are shards beside it, or that images should become something."""
        if others:
            yield "--format none is no shards: leave it or the other formats out"
        as_they_lie = type(image)(max_pixels=image.max_pixels)
        if image != as_they_lie:
            yield "--format none stores no images: leave out what they should become"

    def files(self, stem: str) -> tuple[str, ...]:  # noqa: ARG002
        """Return nothing."""
        return ()

    def writer(
        self,
        files: Sequence[StagedFile],  # noqa: ARG002 - there is none
        options: RecordOptions,  # noqa: ARG002
        records: int,  # noqa: ARG002
    ) -> ShardWriter:
        """Return a writer that writes nothing."""
        return _NoWriter()

    def read(self, path: Location) -> Iterator[StoredRecord]:  # noqa: ARG002
        """Yield nothing."""
        return iter(())

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


class _NoWriter:
    """Writes nothing."""

    def write(self, record: ImageRecord) -> Placement:  # noqa: ARG002
        return _NOWHERE

    def finish(self) -> None:
        pass
