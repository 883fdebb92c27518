"""What follows from a job for the images that a list or a folder names."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline import digests, storage
from pipeline.catalog import class_table as classtable
from pipeline.catalog import table as catalog
from pipeline.catalog.class_table import ClassTable
from pipeline.catalog.classes import LabelTable
from pipeline.errors import InputRefused, UsageError
from pipeline.formats import registry as shardformats
from pipeline.formats.registry import ALL
from pipeline.job import artifacts as products
from pipeline.job import outputs
from pipeline.job.artifacts import Product
from pipeline.job.options import Job
from pipeline.job.split import SplitJob, plan_digest_of
from pipeline.sources.expectation import Expectation
from pipeline.sources.ilsvrc2012.dataset import DatasetConfig, SplitConfig
from pipeline.sources.imagelist import folder as listing
from pipeline.sources.imagelist import source as imagelist
from pipeline.sources.imagelist import split_folders as splitfolders
from pipeline.sources.imagelist.source import ImageListing
from pipeline.storage.input_file import check_shareable

LAYOUT = "list"
_SHARD_BYTES = 1 << 28  # about, of a shard whose number is not given
_IMAGES_OF_A_SHARD = 8  # at least, of such a shard
_LONGEST_NAME = 200  # with what files of a split add, it fits the 255 bytes of a file name
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")


def split_names(job: Job) -> dict[str, str]:
    """Return the name of each split and its folder, empty where it is the list or folder itself.

    There is one split, whose name is given, or made of the name of the list or folder; or, of a
    folder that holds splits of the same class folders, those, with the names of their folders.

    Raises:
        UsageError: the name that is given is none for files, or there is more than one split.
    """
    folders = _split_folders(job)
    if job.name and not (_NAME.fullmatch(job.name) and len(job.name) <= _LONGEST_NAME):
        what = f"--name {job.name}: not a name for shards"
        expected = f"letters, digits, _; {_LONGEST_NAME} at most"
        raise UsageError(what, expected=expected, found=job.name)
    if not folders:
        return {job.name or _file_name(Path(job.images).name): ""}
    names = {_file_name(folder): folder for folder in folders}
    if job.name or len(names) < len(folders):
        raise UsageError(
            "the folder holds splits, and each gets the name of its folder",
            file=job.images,
            expected="no --name, and folders whose names differ in their ASCII letters and digits",
            found=f"the folders {', '.join(folders)}"
            + (f", and --name {job.name}" if job.name else ""),
            remedy=f"leave --name out, or run the command for {job.images}/{folders[0]} alone",
        )
    return names


def dataset(job: Job) -> DatasetConfig:
    """Return a configuration in the place of a file's."""
    splits = {
        name: SplitConfig(name=name, archive="", folder=folder or name, layout=LAYOUT, shards=1)
        for name, folder in split_names(job).items()
    }
    name = next(iter(splits)) if len(splits) == 1 else _file_name(Path(job.images).name)
    return DatasetConfig(Path(job.images), name, Path(job.images), {}, {}, splits)


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


def derive(job: Job, config: DatasetConfig) -> dict[str, SplitJob]:
    """Return what a job means for its splits.

    Raises:
        UsageError: the options cannot be met, or there is no such list or folder.
        InputRefused: the list, or the folder, is not what it should be.
    """
    path, root = Path(job.images), Path(job.root)
    check_shareable(path, "an image list")
    if storage.stat(path) is None and storage.real_folder(path) is None:
        raise UsageError(
            "there is no such list or folder of images",
            file=job.images,
            expected="an image list, or a folder of pictures",
            remedy="name one that is there",
        )
    if storage.real_folder(root) is None:
        storage.check_link(root)
        raise UsageError(
            "there is no such folder of images", file=job.root, remedy="name it with --root"
        )
    table = classtable.read(Path(job.classes)) if job.classes else None
    if len(config.splits) > 1:
        listed = _of_split_folders(job, config, table)
    else:
        (name,) = config.splits
        whole = imagelist.scan(
            path,
            root,
            recursive=job.recursive,
            extensions=job.extensions,
            table=table,
            is_cut=shardformats.is_cut,
        )
        if table is None and whole.classes is not None:
            splitfolders.check(path, whole.classes.table.names)
        listed = {name: whole}
    return {name: _split_job(job, split, listed[name]) for name, split in config.splits.items()}


def _split_folders(job: Job) -> tuple[str, ...]:
    """Return the folders of a job's folder that are splits of the same class folders."""
    path = Path(job.images)
    if not job.recursive or storage.real_folder(path) is None:
        return ()
    return splitfolders.find(path, job.extensions or listing.EXTENSIONS)


def _file_name(name: str) -> str:
    """Return a name for files made of that of a list or folder; a long one is cut."""
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", name.removesuffix(".lst")).strip("_") or "images"
    if len(stem) <= _LONGEST_NAME:
        return stem
    tail = f"_{digests.digest({'name': stem})}"
    return stem[: _LONGEST_NAME - len(tail)] + tail


def _of_split_folders(
    job: Job, config: DatasetConfig, table: ClassTable | None
) -> dict[str, ImageListing]:
    """Return what each split's folder holds; without a table, all classes of all are one table."""
    kinds = job.extensions or listing.EXTENSIONS
    folders = {name: Path(job.images) / split.folder for name, split in config.splits.items()}
    scanned = {
        name: listing.scan(folder, recursive=True, extensions=kinds, table=table)
        for name, folder in folders.items()
    }
    if table is None:
        table = classtable.union(each.classes.table for each in scanned.values() if each.classes)
        scanned = {name: each.numbered(table) for name, each in scanned.items()}
    return {
        name: imagelist.scan(
            folder,
            Path(job.root) / config.splits[name].folder,
            recursive=True,
            extensions=job.extensions,
            prefix=f"{config.splits[name].folder}/",
            scanned=scanned[name],
            is_cut=shardformats.is_cut,
        )
        for name, folder in folders.items()
    }


def _split_job(job: Job, split: SplitConfig, listed: ImageListing) -> SplitJob:
    _check_backslashes(job, listed)
    if listed.missing == listed.images:
        raise InputRefused(
            "none of the images is there",
            file=job.images,
            expected=f"{listed.images:,} files below {listed.root}",
            found="none of them",
            remedy="name the folder that the paths are relative to with --root",
        )
    if any(ALL[name].one_label_width for name in job.formats):
        others = shardformats.of_any_label_width()
        listed.widths.check(job.images, f"say --format {others}, which hold any number of labels")
    given = dict(job.shards).get(split.name)
    # Bad images that are left out shall not leave a shard empty whose number nobody asked for.
    fullest = max(1, (listed.images - listed.missing) // _IMAGES_OF_A_SHARD)
    count = min(max(1, round(listed.bytes / _SHARD_BYTES)), fullest)
    shards = count if given is None else given
    if not 1 <= shards <= listed.images:
        raise UsageError(
            f"--shards {shards}: a shard of {split.name} would be empty, and none may be",
            expected=f"1 to {listed.images}, the number of images",
            found=str(shards),
            remedy="say --shards N with N in that range",
        )
    # Marks of shards have digests for names: what differs in nothing but its name differs in these.
    pinned = {"classes": listed.pinned.names} if listed.pinned is not None else {}
    rows_digest = digests.digest({"list": listed.digest, "split": split.name, **pinned})
    place = {"folder": listed.prefix} if listed.prefix else {}
    catalog_digest = digests.digest(
        {"catalog_version": catalog.VERSION, "rows": rows_digest, **place}
    )
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
        outputs=outputs.derive(
            job,
            split.name,
            plan_digest,
            suffix=listed.suffix,
            offsets=False,
            repairs=False,
            shortened=listed.long_names,
        ),
    )


def _check_backslashes(job: Job, listed: ImageListing) -> None:
    """Raise if images are missing because their paths are written as on Windows."""
    path = listed.backslashed
    if not path:
        return
    (there,) = storage.file_sizes(listed.root, [path.replace("\\", "/")])
    if there >= 0 or listed.missing == listed.images:
        absolute = path.startswith("\\") or path[1:2] == ":"
        kind = "a drive or a server" if absolute else "backslashes"
        raise InputRefused(
            f"the list has paths with {kind}, as Windows writes them",
            file=job.images,
            expected=f"paths with slashes, relative to {listed.root}",
            found=path,
            remedy="write them with slashes, and take away all that precedes the folders in"
            f" {listed.root}"
            if absolute
            else r"write them with slashes: tr '\\' / < LIST > NEW.lst",
        )
