"""What exports are told of a job: of its data set, and of each split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from pipeline import paths
from pipeline.catalog.classes import LabelTable
from pipeline.exports.base import Described, SetView, ShardSet, SplitView
from pipeline.job import beside
from pipeline.job.artifacts import Product
from pipeline.job.options import Job
from pipeline.job.split import SplitJob
from pipeline.sources.data_set import DataSet
from pipeline.storage import Location

if TYPE_CHECKING:
    from pipeline.job.resolve import ResolvedJob


def view(
    job: Job,
    dataset: DataSet,
    table: LabelTable,
    splits: Mapping[str, SplitJob],
    others: Iterable[Product] = (),
) -> SetView:
    """Return what exports are told of a job."""
    texts = dataset.class_texts
    return SetView(
        name=dataset.name,
        out=job.folder,
        published=dataset.published,
        table=table,
        splits={name: _split_view(job.folder, split) for name, split in splits.items()},
        class_texts=texts.md5 if texts else "",
        data_dir=job.data_dir,
        strict=job.dbcollection_strict,
        max_pixels=job.image.max_pixels,
        described=described_by(others),
        with_finished=partial(beside.with_classes, dataset, table),
    )


def view_of(resolved: ResolvedJob) -> SetView:
    """Return what exports are told of a resolved job, when they are made."""
    return view(resolved.job, resolved.dataset, resolved.table, resolved.splits, resolved.products)


def _split_view(out: Location, split: SplitJob) -> SplitView:
    return SplitView(
        name=split.name,
        folder=split.split.folder,
        flat=split.split.flat,
        has_classes=bool(split.class_counts),
        counts=split.class_counts or split.expected.counts,
        class_names=split.source.class_names,
        images=split.expected.images,
        rows_digest=split.rows_digest,
        images_digest=split.images_digest,
        catalog=paths.catalog(out, split.name, split.catalog_digest),
        shards=tuple(
            ShardSet(
                format=output.format,
                digest=output.digest,
                folder=output.folder,
                exported_as=output.exported_as,
                images=output.form.image,
                label_map_offset=output.form.label_map_offset,
                features=output.form.features,
            )
            for output in split.outputs
        ),
        find_in=split.source.find_in,
        unused=split.source.unused,
        known_contents=lambda: split.source.known_contents(out),
        has_boxes=split.source.has_boxes,
        details=split.source.details(),
    )


def described_by(made: Iterable[Product]) -> tuple[Described, ...]:
    """Return those of some products whose files a description of the whole output names."""
    return tuple(
        Described(name=each.name, digest=each.digest, files=each.files)
        for each in made
        if each.described
    )
