"""The data set that a list or a folder of images is: one split, or one for each folder of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import digests, storage
from pipeline.catalog import class_table as classtable
from pipeline.catalog.class_table import ClassTable
from pipeline.catalog.classes import NO_LABELS, LabelTable
from pipeline.errors import InputRefused, UsageError
from pipeline.job.options import Job
from pipeline.sources.data_set import DataSet
from pipeline.sources.imagelist import folder as listing
from pipeline.sources.imagelist import scan
from pipeline.sources.imagelist import split_folders as splitfolders
from pipeline.sources.imagelist.scan import ImageListing
from pipeline.sources.imagelist.source import ListSource
from pipeline.sources.source import Defaults, Expected, IsCut, Source, Split
from pipeline.storage.input_file import check_shareable

_SHARD_BYTES: Final = 1 << 28  # about, of a shard whose number is not given
_IMAGES_OF_A_SHARD: Final = 8  # at least, of such a shard
_LONGEST_NAME: Final = 200  # with what files of a split add, it fits the 255 bytes of a file name
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")
_SHOWN: Final = 3  # names


@dataclass(frozen=True, eq=False, kw_only=True)
class ListedSet(DataSet):
    """What a list or a folder names, with the folder of each split in it."""

    folders: Mapping[str, str]

    @staticmethod
    def of(job: Job) -> ListedSet:
        """Return the data set of a job.

        Raises:
            UsageError: see `split_names`.
        """
        folders = split_names(job)
        only = next(iter(folders)) if len(folders) == 1 else None
        return ListedSet(
            job=job,
            name=only or _file_name(Path(job.images).name),
            root=Path(job.root),
            splits={name: Split(name, folder or name) for name, folder in folders.items()},
            own_orders=frozenset({"list"}),
            folders=folders,
        )

    @property
    def table(self) -> LabelTable:
        """The label table, which has no class: a list numbers them without naming any."""
        return NO_LABELS

    def sources(self, names: Sequence[str], is_cut: IsCut) -> dict[str, Source]:
        """Read the list, or list the folder, and look at the files that it names."""
        del names  # one list or folder is one job, with all of its splits
        _check_there(self.job)
        table = classtable.read(Path(self.job.classes)) if self.job.classes else None
        if len(self.splits) > 1:
            listed = _of_split_folders(self.job, self.folders, table, is_cut)
        else:
            (name,) = self.splits
            listed = {name: _of_whole(self.job, table, is_cut)}
        return {name: _source(self.job, self.splits[name], found) for name, found in listed.items()}

    def beside(self) -> Iterator[str]:
        """Yield what lies beside the folders of the splits."""
        if len(self.splits) > 1:
            folder = Path(self.job.images)
            names = splitfolders.beside(folder, list(self.folders.values()))
            if names:
                shown = ", ".join(names[:_SHOWN])
                yield f"passed over beside the splits in {folder}: {len(names):,}, e.g. {shown}"


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


def _check_there(job: Job) -> None:
    """Check that the list or folder is there, and the folder of its paths."""
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


def _of_whole(job: Job, table: ClassTable | None, is_cut: IsCut) -> ImageListing:
    """Return what a list, or a folder that is one split, names."""
    path = Path(job.images)
    whole = scan.scan(
        path,
        Path(job.root),
        recursive=job.recursive,
        extensions=job.extensions,
        table=table,
        is_cut=is_cut,
    )
    if table is None and whole.classes is not None:
        splitfolders.check(path, whole.classes.table.names)
    return whole


def _of_split_folders(
    job: Job, folders: Mapping[str, str], table: ClassTable | None, is_cut: IsCut
) -> dict[str, ImageListing]:
    """Return what each split's folder holds; without a table, all classes of all are one table."""
    kinds = job.extensions or listing.EXTENSIONS
    scanned = {
        name: listing.scan(Path(job.images) / below, recursive=True, extensions=kinds, table=table)
        for name, below in folders.items()
    }
    if table is None:
        table = classtable.union(each.classes.table for each in scanned.values() if each.classes)
        scanned = {name: each.numbered(table) for name, each in scanned.items()}
    return {
        name: scan.scan(
            Path(job.images) / below,
            Path(job.root) / below,
            recursive=True,
            extensions=job.extensions,
            prefix=f"{below}/",
            scanned=scanned[name],
            is_cut=is_cut,
        )
        for name, below in folders.items()
    }


def _source(job: Job, split: Split, listed: ImageListing) -> ListSource:
    _check_backslashes(job, listed)
    if listed.missing == listed.images:
        raise InputRefused(
            "none of the images is there",
            file=job.images,
            expected=f"{listed.images:,} files below {listed.root}",
            found="none of them",
            remedy="name the folder that the paths are relative to with --root",
        )
    return ListSource(
        split=split,
        root=Path(job.root),
        expected=Expected({"": listed.images}),
        shards=_shards(job, split, listed),
        defaults=Defaults(
            suffix=listed.suffix, offsets=False, repairs=False, long_names=listed.long_names
        ),
        listing=listed,
    )


def _shards(job: Job, split: Split, listed: ImageListing) -> int:
    """Return how many shards are made of a split: as many as are asked for, or by its bytes."""
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
    return shards


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
