"""The export ``parquet``: one table of the images of all splits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa

from pipeline import digests, paths
from pipeline.catalog import table as catalog
from pipeline.exports import parquet, parquet_objects
from pipeline.exports.base import Export, ExportPlan, ExportWork, Need, SetView, SplitView, What
from pipeline.exports.exported_split import ExportedSplit
from pipeline.manifest import Document
from pipeline.storage import StagedFile

IMAGES = paths.METADATA
"""The table; the names of images in it begin where it lies."""


def columns(data: SetView) -> pa.Schema:
    """Return the columns of the table."""
    shards = [each.exported_as for split in data.splits.values() for each in split.shards]
    described = any(split.details for split in data.splits.values())
    formats = dict.fromkeys(shards)
    return parquet.schema(formats, data.table.class_ids, _names(data), described=described)


class Parquet(Export):
    """A row per image: all that catalog, label table and facts say."""

    name = "parquet"
    of_images = True
    parts = ("images", "boxes", "shards")
    reads_attribution = True
    keeps_splits = True

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the table."""
        del folder
        return (IMAGES,)

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield the table."""
        rows = [
            [name, split.folder, split.images_digest, split.outputs]
            for name, split in data.splits.items()
        ]
        yield ExportPlan(
            kind=self.name,
            files=(data.out / IMAGES,),
            digest=digests.digest(
                {**_labels(data), "splits": rows, "version": parquet.VERSION, **_said(data)}
            ),
            needs=(
                *(Need(What.CATALOG, name) for name in data.splits),
                *(Need(What.FACTS, name) for name in data.splits),
            ),
            described=True,
            made_of={"version of its form": str(parquet.VERSION), **data.made_of_classes},
        )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write the table; see `parquet.write`."""
        splits = [_exported(split, staged[0]) for split in work.data.splits.values()]
        return {"rows": parquet.write(staged[0], splits, work.data.table)}


def _names(data: SetView) -> tuple[str, ...] | None:
    return parquet.shared_names(split.class_names for split in data.splits.values())


def _labels(data: SetView) -> Document:
    """Return what decides the names of classes, for digests."""
    names = _names(data)
    return data.of_labels if names is None else {**data.of_labels, "classes": names}


def _said(data: SetView) -> Document:
    """Return what decides the columns of `parquet_objects`, for digests; nothing without them."""
    said = {name: split.details.digest for name, split in data.splits.items() if split.details}
    return {"details": said, "version_of_details": parquet_objects.VERSION} if said else {}


def _exported(split: SplitView, staged: StagedFile) -> ExportedSplit:
    said = split.details
    return ExportedSplit(
        split.name,
        lambda: catalog.read(split.catalog),
        {each.exported_as: parquet.read_facts(paths.facts(each.folder)) for each in split.shards},
        split.folder,
        {each.exported_as: each.images for each in split.shards},
        split.class_names,
        split.has_classes,
        None if said is None else partial(parquet_objects.read, split, said, staged.path),
    )
