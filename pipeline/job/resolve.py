"""A job with its configuration read: every path and digest of the output is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from pipeline import digests, storage
from pipeline.catalog import class_table as classtable
from pipeline.catalog.class_table import FolderClasses
from pipeline.catalog.classes import LabelTable
from pipeline.errors import UsageError
from pipeline.exports import image_list as imagelist
from pipeline.formats import registry as shardformats
from pipeline.formats.registry import ALL
from pipeline.job import artifacts as products
from pipeline.job import checks, provenance
from pipeline.job import exports as exportjob
from pipeline.job import split as splitjob
from pipeline.job.artifacts import Product
from pipeline.job.options import PATHS, Job
from pipeline.job.split import SplitJob
from pipeline.sources import registry as sources
from pipeline.sources.data_set import DataSet
from pipeline.sources.inputs import Archive
from pipeline.storage.local_path import check_local


@dataclass(frozen=True)
class ResolvedJob:
    """A job with its configuration read and its digests known.

    Attributes:
        job: what was asked for.
        dataset: what its options mean as a whole.
        table: its label table.
        splits: what follows for each split, by name.
        extras: optional archives to verify, read or not.
        products: what it makes at paths without a digest.
    """

    job: Job
    dataset: DataSet
    table: LabelTable
    splits: Mapping[str, SplitJob]
    extras: tuple[Archive, ...]
    products: tuple[Product, ...]

    @property
    def out(self) -> Path:
        """Folder of the output."""
        return Path(self.job.out)

    @property
    def root(self) -> Path:
        """Folder that a catalog's sources are relative to."""
        return self.dataset.root

    @property
    def archives(self) -> tuple[Archive, ...]:
        """Every archive that is needed, each once."""
        needed: list[Archive] = []
        for split in self.splits.values():
            needed += split.archives if self.job.wants("verify", *_OF_CATALOG) else ()
            if split.boxes and split.boxes.archive and self.job.wants("boxes"):
                needed.append(split.boxes.archive)
        return tuple({archive.file: archive for archive in (*needed, *self.extras)}.values())

    def raw_file(self, archive: Archive) -> Path:
        """Return where an archive lies."""
        return Path(self.job.raw) / archive.file

    def product(self, name: str) -> Product:
        """Return the product of this name."""
        return next(product for product in self.products if product.name == name)

    @property
    def digest(self) -> str:
        """A digest of what this job makes: its outputs, wherever they lie."""
        outputs = [
            [output.format, output.digest] for s in self.splits.values() for output in s.outputs
        ]
        return digests.digest(
            {
                "archives": [archive.md5 for archive in self.archives],
                "outputs": outputs if self.job.wants("shards") else [],
                "products": [[product.name, product.digest] for product in self.products],
            }
        )


_OF_CATALOG = ("lists", "extract", "shards")


@lru_cache(maxsize=16)
def resolve(job: Job) -> ResolvedJob:
    """Read the configuration and work out every digest and count; list the tree, if any.

    Raises:
        ConfigError: the configuration or a file it names cannot be understood.
        UsageError: the options contradict it.
        InputRefused: the tree is not what it should be.
    """
    for name in PATHS:
        check_local(getattr(job, name), f"--{name}".replace("_", "-"))
    dataset = sources.data_set(job, ALL)
    table = dataset.table
    names = job.splits or dataset.default_splits
    checks.check_choices(job, dataset, names)
    checks.check_combinations(job, dataset, names)
    found = dataset.sources(names, shardformats.is_cut)
    splits = {name: splitjob.derive(job, source) for name, source in found.items()}
    checks.check_label_widths(job, splits)
    checks.check_detection(job, splits)
    made = _products(job, table, splits)
    made += exportjob.derive(job, dataset, table, splits, made)
    made = tuple(
        replace(product, made_of=provenance.made_of(product, job, table, splits, made))
        for product in made
    )
    resolved = ResolvedJob(job, dataset, table, splits, _extras(job, dataset, splits), made)
    if not made and not job.wants("shards") and not resolved.archives:
        raise UsageError(
            "nothing would be made",
            expected="splits with boxes, or a later step",
            found=f"the steps {', '.join(job.products) or 'none'} of {', '.join(names)}",
        )
    return resolved


def _extras(job: Job, dataset: DataSet, splits: Mapping[str, SplitJob]) -> tuple[Archive, ...]:
    """Return the optional archives that are only verified: no split reads them, or its tree."""
    used = {archive.file for split in splits.values() for archive in split.archives}
    used.update(*(split.source.unpacked for split in splits.values()))
    named = (dataset.optional[name] for name in dict.fromkeys(job.extras))
    return tuple(archive for archive in named if archive.file not in used)


def _products(job: Job, table: LabelTable, splits: Mapping[str, SplitJob]) -> tuple[Product, ...]:
    out = Path(job.out)
    made = []
    for name, split in splits.items():
        if split.boxes is not None and job.wants("boxes", *_OF_CATALOG):
            made.append(products.bounding_boxes(out, name, split.boxes.digest))
        if job.wants("shards"):
            whole = [output for output in split.outputs if output.joined]
            made += [products.joined_shards(name, output) for output in whole]
        if split.source.folder_classes is not None:
            made.append(_class_table(out, name, split.source.folder_classes))
        if job.wants("lists"):
            digest = digests.digest({"rows": split.rows_digest, "version": imagelist.VERSION})
            made.append(products.image_list(out, name, digest))
        if split.boxes is not None and job.wants(*_OF_CATALOG):
            digest = digests.digest({"boxes": split.boxes.digest, "rows": split.rows_digest})
            made.append(products.unmatched_boxes(out, name, digest))
        if job.wants("extract") and split.split.has_classes:
            digest = digests.digest({"rows": split.rows_digest})
            tree = products.class_tree(out, name, split.split.folder, digest)
            made.append(replace(tree, in_place=_in_place(split, tree)))
    if job.wants("lists"):
        digest = digests.digest(
            {"columns": table.columns, "labels": table.digest, "version": imagelist.VERSION}
        )
        made.append(products.label_tables(out, digest))
    return tuple(made)


def _class_table(out: Path, name: str, classes: FolderClasses) -> Product:
    names = classes.table.names
    digest = digests.digest({"classes": names, "version": classtable.VERSION})
    return products.class_table(out, name, digest)


def _in_place(split: SplitJob, made: Product) -> bool:
    """Whether the tree to be made is the one that is read."""
    tree = split.source.tree
    return tree is not None and storage.same_folder(tree, made.files[0])
