"""Products: artifacts at fixed paths. Those that no export makes, and all of a job in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from pipeline import digests, paths
from pipeline.annotations import bboxes
from pipeline.catalog import class_table as classtable
from pipeline.catalog.class_table import FolderClasses
from pipeline.catalog.classes import LabelTable
from pipeline.job import exports as exportjob
from pipeline.job.artifacts import (
    ARCHIVE,
    BOXES,
    CATALOG,
    CLASSES,
    INPUTS,
    JOINED,
    MANIFEST,
    UNMATCHED,
    Product,
    name_of,
    product,
)
from pipeline.job.options import Job
from pipeline.job.split import SplitJob
from pipeline.shards.output import Output
from pipeline.sources.data_set import DataSet
from pipeline.storage import Location

OF_CATALOG: Final = ("lists", "extract", "plan", "shards")
"""Steps of a job that a catalog is made for."""


def derive(
    job: Job, dataset: DataSet, table: LabelTable, splits: Mapping[str, SplitJob]
) -> tuple[Product, ...]:
    """Return everything that a job makes at fixed paths, in the order of making.

    Args:
        job: the job.
        dataset: what its options mean as a whole.
        table: its label table.
        splits: its splits, by name.

    Raises:
        UsageError: an export cannot be made of these images.
    """
    of_steps = exportjob.of_steps(job, dataset, table, splits)
    artifacts: list[Product] = []
    for name, split in splits.items():
        trees = [each for each in of_steps if each.split == name and each.tree]
        lists = [each for each in of_steps if each.split == name and not each.tree]
        artifacts += [*_before_catalog(job, split), *lists, *_after_catalog(job, split), *trees]
    artifacts += [each for each in of_steps if not each.split]
    return (*artifacts, *exportjob.derive(job, dataset, table, splits, artifacts))


def _before_catalog(job: Job, split: SplitJob) -> Iterator[Product]:
    out, boxes = job.folder, split.boxes
    if boxes is not None and job.wants("boxes", *OF_CATALOG):
        after = name_of(ARCHIVE, variant=boxes.archive.file) if boxes.archive else INPUTS
        yield bounding_boxes(out, split.name, boxes.digest, after)
    if job.wants("shards"):
        whole = [output for output in split.outputs if output.joined]
        yield from (joined_shards(out, split.name, output) for output in whole)
    if split.source.folder_classes is not None:
        yield _table_of_classes(out, split.name, split.source.folder_classes)


def _after_catalog(job: Job, split: SplitJob) -> Iterator[Product]:
    if split.boxes is not None and job.wants(*OF_CATALOG):
        digest = digests.digest({"boxes": split.boxes.digest, "rows": split.rows_digest})
        yield unmatched_boxes(job.folder, split.name, digest)


def _table_of_classes(out: Location, name: str, classes: FolderClasses) -> Product:
    names = classes.table.names
    digest = digests.digest({"classes": names, "version": classtable.VERSION})
    return class_table(out, name, digest)


def bounding_boxes(out: Location, split: str, digest: str, after: str = INPUTS) -> Product:
    """Return the product bboxes.csv, with its report, and the table that is joined.

    Args:
        out: the output folder.
        split: whose boxes they are.
        digest: of everything that decides the bytes.
        after: name of the artifact that looks at the annotations.
    """
    files = (
        paths.bboxes(out, split),
        paths.bboxes_report(out, split),
        paths.bboxes_table(out, split),
    )
    artifact = product(out, BOXES, digest, files, step="boxes", split=split, needs=(after,))
    return replace(artifact, described=True, parts=("boxes",), version=bboxes.VERSION)


def unmatched_boxes(out: Location, split: str, digest: str) -> Product:
    """Return the product of the list of annotations that fit no image."""
    files, needs = (paths.bboxes_unmatched(out, split),), (name_of(CATALOG, split),)
    return product(
        out, UNMATCHED, digest, files, step="lists", split=split, needs=needs, described=True
    )


def class_table(out: Location, split: str, digest: str) -> Product:
    """Return the product of the table of a split's class folders."""
    files = (paths.class_table(out, split),)
    artifact = product(out, CLASSES, digest, files, step="lists", split=split, needs=(INPUTS,))
    return replace(artifact, succeeds=True, described=True)


def joined_shards(out: Location, split: str, output: Output) -> Product:
    """Return the product of an output's shards in one file, of which each output has its own."""
    files = output.form.shard_format.paths(output.folder, split)
    needs = (name_of(MANIFEST, split, output.format),)
    return product(
        out,
        JOINED,
        output.digest,
        files,
        step="join",
        split=split,
        variant=output.digest,
        needs=needs,
        described=True,
    )
