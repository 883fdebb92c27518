"""Products: artifacts at fixed paths, and the files that each consists of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from pipeline import digests, paths, storage
from pipeline.annotations import bboxes
from pipeline.catalog import class_table as classtable
from pipeline.catalog.class_table import FolderClasses
from pipeline.catalog.classes import LabelTable
from pipeline.exports import image_list as imagelist
from pipeline.job.artifacts import (
    ARCHIVE,
    BOXES,
    CATALOG,
    CLASSES,
    GROUPS,
    INPUTS,
    JOINED,
    LABELS,
    LIST,
    MANIFEST,
    TREE,
    UNMATCHED,
    Product,
    is_tree,
    name_of,
)
from pipeline.job.options import Job
from pipeline.job.split import SplitJob
from pipeline.shards.output import Output

OF_CATALOG: Final = ("lists", "extract", "shards")
"""Steps of a job that a catalog is made for."""


def derive(job: Job, table: LabelTable, splits: Mapping[str, SplitJob]) -> tuple[Product, ...]:
    """Return what a job makes at fixed paths beside its exports.

    Args:
        job: the job.
        table: its label table.
        splits: its splits, by name.
    """
    out = Path(job.out)
    made: list[Product] = []
    for name, split in splits.items():
        if split.boxes is not None and job.wants("boxes", *OF_CATALOG):
            archive = split.boxes.archive
            after = name_of(ARCHIVE, variant=archive.file) if archive else INPUTS
            made.append(bounding_boxes(out, name, split.boxes.digest, after))
        if job.wants("shards"):
            whole = [output for output in split.outputs if output.joined]
            made += [joined_shards(out, name, output) for output in whole]
        if split.source.folder_classes is not None:
            made.append(_table_of_classes(out, name, split.source.folder_classes))
        if job.wants("lists"):
            digest = digests.digest({"rows": split.rows_digest, "version": imagelist.VERSION})
            made.append(image_list(out, name, digest, _left_out_by(job, split)))
        if split.boxes is not None and job.wants(*OF_CATALOG):
            digest = digests.digest({"boxes": split.boxes.digest, "rows": split.rows_digest})
            made.append(unmatched_boxes(out, name, digest))
        if job.wants("extract") and split.split.has_classes:
            digest = digests.digest({"rows": split.rows_digest})
            tree = class_tree(out, name, split.split.folder, digest)
            made.append(replace(tree, in_place=_in_place(split, tree)))
    if job.wants("lists"):
        digest = digests.digest(
            {"columns": table.columns, "labels": table.digest, "version": imagelist.VERSION}
        )
        made.append(label_tables(out, digest))
    return tuple(made)


def _table_of_classes(out: Path, name: str, classes: FolderClasses) -> Product:
    names = classes.table.names
    digest = digests.digest({"classes": names, "version": classtable.VERSION})
    return class_table(out, name, digest)


def _in_place(split: SplitJob, made: Product) -> bool:
    """Whether the tree to be made is the one that is read."""
    tree = split.source.tree
    return tree is not None and storage.same_folder(tree, made.files[0])


def _left_out_by(job: Job, split: SplitJob) -> list[str]:
    """Return the names of the manifests that say which images are left out of everything."""
    if job.on_bad_image != "skip" or not job.wants("shards"):
        return []
    return [name_of(MANIFEST, split.name, output.format) for output in split.outputs]


def bounding_boxes(out: Path, split: str, digest: str, after: str = INPUTS) -> Product:
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
    made = product(out, BOXES, digest, files, step="boxes", split=split, needs=(after,))
    return replace(made, described=True, parts=("boxes",), version=bboxes.VERSION)


def unmatched_boxes(out: Path, split: str, digest: str) -> Product:
    """Return the product of the list of annotations that fit no image."""
    files, needs = (paths.bboxes_unmatched(out, split),), (name_of(CATALOG, split),)
    return product(
        out, UNMATCHED, digest, files, step="lists", split=split, needs=needs, described=True
    )


def image_list(out: Path, split: str, digest: str, after: Iterable[str] = ()) -> Product:
    """Return the product of a split's image list.

    Args:
        out: the output folder.
        split: whose images they are.
        digest: of everything that decides the bytes.
        after: names of the manifests that say which images are left out.
    """
    files, needs = (paths.image_list(out, split),), (name_of(CATALOG, split), *after)
    made = product(out, LIST, digest, files, step="lists", split=split, needs=needs)
    return replace(made, described=True, parts=("images",), version=imagelist.VERSION)


def label_tables(out: Path, digest: str) -> Product:
    """Return the product of the label tables."""
    files = (paths.synsets(out), paths.label_table(out))
    made = product(out, LABELS, digest, files, step="lists", needs=(INPUTS,))
    return replace(made, described=True, parts=(), version=imagelist.VERSION)


def class_table(out: Path, split: str, digest: str) -> Product:
    """Return the product of the table of a split's class folders."""
    files = (paths.class_table(out, split),)
    made = product(out, CLASSES, digest, files, step="lists", split=split, needs=(INPUTS,))
    return replace(made, succeeds=True, described=True)


def class_tree(out: Path, split: str, folder: str, digest: str) -> Product:
    """Return the product of a split's tree of class folders."""
    made = tree_product(out, TREE, split, paths.tree(out, folder), digest, step="extract")
    return replace(made, parts=("images",))


def joined_shards(out: Path, split: str, output: Output) -> Product:
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


def product(
    out: Path,
    kind: str,
    digest: str,
    files: tuple[Path, ...],
    *,
    needs: Iterable[str],
    step: str = "exports",
    split: str = "",
    variant: str = "",
    described: bool = False,
) -> Product:
    """Return an artifact at a fixed path; see `Artifact` for what is given.

    Args:
        out: the output folder.
        kind: what it is; without a hyphen.
        digest: of everything that decides its bytes.
        files: its files.
        needs: names of what it is made of; see `name_of`.
        step: what making it is called in reports.
        split: whose it is; "" where it is of all splits.
        variant: which of several of its kind.
        described: whether the description of the whole output names its files.
    """
    return Product(
        kind=kind,
        split=split,
        variant=variant,
        digest=digest,
        files=files,
        mark=paths.product_mark(out, name_of(kind, split, variant)),
        needs=tuple(needs),
        step=step,
        described=described,
    )


def tree_product(
    out: Path, kind: str, split: str, folder: Path, digest: str, *, step: str
) -> Product:
    """Return an artifact that is a tree of class folders, made in parts; see `product`.

    Raises:
        ValueError: the kind is not one that `is_tree` knows.
    """
    if not is_tree(kind):
        raise ValueError(f"the name of a kind of trees begins with {TREE}, and not: {kind}")
    needs = (name_of(GROUPS, split, kind),)
    made = product(out, kind, digest, (folder,), step=step, split=split, needs=needs)
    return replace(made, tree=True)
