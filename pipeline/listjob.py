"""What follows from a job for the images that a list or a folder names."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline import catalog, digests, output, products, storage
from pipeline.config import DatasetConfig, SplitConfig
from pipeline.errors import InputRefused, UsageError
from pipeline.job import Job
from pipeline.labels import LabelTable
from pipeline.products import Product
from pipeline.sources import classtable, imagelist
from pipeline.sources.ilsvrc2012 import Expectation
from pipeline.splitjob import SplitJob, plan_digest_of

LAYOUT = "list"
_SHARD_BYTES = 1 << 28  # about, of a shard whose number is not given
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")


def split_name(job: Job) -> str:
    """Return the name of the only split: given, or made of the name of the list or folder.

    Raises:
        UsageError: the name that is given is none for files.
    """
    if job.name:
        if not _NAME.fullmatch(job.name):
            what = f"--name {job.name}: not a name for shards"
            raise UsageError(what, expected="letters, digits, _", found=job.name)
        return job.name
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", Path(job.images).name.removesuffix(".lst")).strip("_")
    return stem or "images"


def dataset(job: Job) -> DatasetConfig:
    """Return a configuration in the place of a file's."""
    name = split_name(job)
    split = SplitConfig(name=name, archive="", folder=name, layout=LAYOUT, shards=1)
    return DatasetConfig(Path(job.images), name, Path(job.images), {}, {}, {name: split})


def table(job: Job) -> LabelTable:
    """Return the label table of a list: nobody knows its classes."""
    return LabelTable(Path(job.images), (), (), {})


def class_tables(out: Path, name: str, split: SplitJob) -> tuple[Product, ...]:
    """Return the product of a split's class table, if it is made of class folders."""
    if split.listing is None or split.listing.classes is None:
        return ()
    names = split.listing.classes.table.names
    digest = digests.digest({"classes": names, "version": classtable.VERSION})
    return (products.class_table(out, name, digest),)


def derive(job: Job, config: DatasetConfig) -> SplitJob:
    """Return what a job means for its only split.

    Raises:
        UsageError: the options cannot be met, or there is no such list or folder.
        InputRefused: the list, or the folder, is not what it should be.
    """
    (split,) = config.splits.values()
    path, root = Path(job.images), Path(job.root)
    if storage.stat(path) is None and storage.real_folder(path) is None:
        raise UsageError(
            "there is no such list or folder of images",
            file=job.images,
            expected="an image list, or a folder of pictures",
            remedy="name one that is there",
        )
    if storage.real_folder(root) is None:
        raise UsageError(
            "there is no such folder of images", file=job.root, remedy="name it with --root"
        )
    table = classtable.read(Path(job.classes)) if job.classes else None
    listed = imagelist.scan(
        path, root, recursive=job.recursive, extensions=job.extensions, table=table
    )
    if listed.missing == listed.images:
        raise InputRefused(
            "none of the images is there",
            file=job.images,
            expected=f"{listed.images:,} files below {root}",
            found="none of them",
            remedy="name the folder that the paths are relative to with --root",
        )
    given = dict(job.shards).get(split.name)
    count = min(max(1, round(listed.bytes / _SHARD_BYTES)), listed.images)
    shards = count if given is None else given
    if not 1 <= shards <= listed.images:
        raise UsageError(
            f"--shards {shards}: a shard would be empty, and none may be",
            expected=f"1 to {listed.images}, the number of images",
            found=str(shards),
            remedy="say --shards N with N in that range",
        )
    # Marks of shards have digests for names: what differs in nothing but its name differs in these.
    pinned = {"classes": table.names} if table is not None else {}
    rows_digest = digests.digest({"list": listed.digest, "split": split.name, **pinned})
    catalog_digest = digests.digest({"catalog_version": catalog.VERSION, "rows": rows_digest})
    plan_digest = plan_digest_of(job, catalog_digest, shards, None)
    return SplitJob(
        split=split,
        images=listed,
        boxes=None,
        devkit=None,
        classes=None,
        expected=Expectation({"": listed.images}),
        shards=shards,
        threads=None,
        rows_digest=rows_digest,
        catalog_digest=catalog_digest,
        plan_digest=plan_digest,
        outputs=output.derive(
            job, split.name, plan_digest, suffix=listed.suffix, offsets=False, repairs=False
        ),
    )
