"""The data set that a list or a folder of images is: one split, or one for each folder of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pipeline import storage
from pipeline.catalog import class_table as classtable
from pipeline.errors import InputRefused, UsageError
from pipeline.job.options import Job
from pipeline.sources import split_names as splitnames
from pipeline.sources.data_set import DataSet
from pipeline.sources.glance import Folders, Glance
from pipeline.sources.imagelist import folder as listing
from pipeline.sources.imagelist import scan, snapshot
from pipeline.sources.imagelist import split_folders as splitfolders
from pipeline.sources.imagelist import table_list as tablelist
from pipeline.sources.imagelist.columns import PATH_AND_LABEL
from pipeline.sources.imagelist.scan import ImageListing
from pipeline.sources.imagelist.snapshot import ListPlace
from pipeline.sources.imagelist.source import ListSource
from pipeline.sources.shard_count import shard_count
from pipeline.sources.source import Defaults, Expected, IsCut, Source, Split
from pipeline.storage.local.input_file import check_root, check_shareable

_EXAMPLES: Final = 3
"""How many of the files that are passed over are named."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ListedSet(DataSet):
    """What a list or a folder names, with the folder of each split in it."""

    folders: Mapping[str, str]

    @staticmethod
    def is_meant(job: Job) -> bool:
        """Whether a list or folder is named."""
        return bool(job.images)

    @classmethod
    def of(cls, job: Job, taken: Iterable[str] = ()) -> Self:
        """Return the data set of a job.

        Raises:
            UsageError: see `split_names`.
        """
        del taken  # class folders are asked for later, and checked then
        folders = split_names(job)
        only = next(iter(folders)) if len(folders) == 1 else None
        return cls(
            job=job,
            name=only or splitnames.of_file(storage.parse(job.images).name),
            root=storage.parse(job.root),
            splits={
                name: Split(name, folder or name, has_classes=True)
                for name, folder in folders.items()
            },
            own_orders=frozenset({"list"}),
            folders=folders,
        )

    def read(self, names: Sequence[str], is_cut: IsCut) -> dict[str, Source]:
        """Read the list, or list the folder, and look at the files that it names."""
        del names  # one list or folder is one job, with all of its splits
        storage.look_anew()
        places = self._places()
        if len(places) > 1:
            return _of_split_folders(self.splits, places, is_cut)
        ((name, place),) = places.items()
        return {name: _of_whole(self.splits[name], place, is_cut)}

    def recorded(self, names: Sequence[str]) -> dict[str, Source] | None:
        """Return what was kept of the list or folder, if that looks as it did then."""
        del names
        sources, tables = dict[str, Source](), set[tuple[str, ...] | None]()
        for name, place in self._places().items():
            known = snapshot.load(place)
            if known is None or not known[1].holds():
                return None
            tables.add(known[0].classes.table.names if known[0].classes else None)
            sources[name] = _source(self.splits[name], place, *known)
        # The splits of a folder share a table; a command that was killed has not kept it for all.
        return sources if len(tables) == 1 else None

    def _places(self) -> dict[str, ListPlace]:
        """Return where each split lies.

        Raises:
            UsageError: there is no such list or folder.
            ConfigError: the table of classes cannot be understood.
        """
        _check_there(self.job)
        table = classtable.read(Path(self.job.classes)) if self.job.classes else None
        return {
            name: ListPlace(self.job, name, below, table) for name, below in self.folders.items()
        }

    def beside(self) -> Iterator[str]:
        """Yield what lies beside the folders of the splits."""
        if len(self.splits) > 1:
            folder = storage.parse(self.job.images)
            names = splitfolders.beside(folder, list(self.folders.values()))
            if names:
                shown = ", ".join(names[:_EXAMPLES])
                yield f"passed over beside the splits in {folder}: {len(names):,}, e.g. {shown}"


def split_names(job: Job) -> dict[str, str]:
    """Return the name of each split and its folder, empty where it is the list or folder itself.

    There is one split, whose name is given, or made of the name of the list or folder; or, of a
    folder that holds splits of the same class folders, those, with the names of their folders.

    Raises:
        UsageError: the name that is given is none for files, or there is more than one split.
    """
    folders = _split_folders(job)
    splitnames.check(job.name)
    if not folders:
        return {job.name or splitnames.of_file(storage.parse(job.images).name): ""}
    names = {splitnames.of_file(folder): folder for folder in folders}
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
    path = storage.parse(job.images)
    if not job.recursive or not storage.is_folder(path):
        return ()
    return splitfolders.find(path, job.extensions or listing.EXTENSIONS)


def _check_there(job: Job) -> None:
    """Check that the list or folder is there, and the folder of its paths."""
    path, root = storage.parse(job.images), storage.parse(job.root)
    check_shareable(path, "an image list")
    if storage.stat(path) is None and not storage.is_folder(path):
        raise UsageError(
            "there is no such list or folder of images",
            file=job.images,
            expected="an image list, or a folder of images",
            remedy="name one that is there",
        )
    check_root(root, "name it with --root")
    if job.classes or _asks_for_columns(job):  # else nothing is asked of a store for it
        is_list = not storage.is_folder(path)
        if not (is_list and tablelist.has_named_columns(path)):
            _check_no_columns(job, is_list=is_list)


def _asks_for_columns(job: Job) -> bool:
    return (job.path_column, job.label_column) != PATH_AND_LABEL.names


def _check_no_columns(job: Job, *, is_list: bool) -> None:
    """Check that nothing is asked of a folder or list that only named columns give."""
    expected = f"a list whose name ends in {', '.join(tablelist.FORMS)}, with a header or keys"
    if _asks_for_columns(job):
        raise UsageError(
            "--path-column and --label-column are of lists whose columns have names",
            file=job.images,
            expected=expected,
            remedy="leave them out, or rename the list if it is one",
        )
    if is_list and job.classes:
        raise UsageError(
            "--classes is a table of class folders, or of labels that are texts",
            file=job.images,
            expected=f"a folder and --recursive, or {expected}",
            remedy="leave it out: the labels of this list are numbers",
        )


def _of_whole(split: Split, place: ListPlace, is_cut: IsCut) -> ListSource:
    """Read a list, or a folder that is one split."""
    folders = Folders()
    is_list = not storage.is_folder(place.path)
    look = Glance.of_list(place.path) if is_list else None
    listed = scan.scan(
        place.path,
        place.root,
        recursive=place.recursive,
        extensions=place.extensions,
        table=place.table,
        columns=place.columns,
        is_cut=is_cut,
        note=folders.note,
    )
    if not is_list and place.table is None and listed.classes is not None:
        splitfolders.check(place.path, listed.classes.table.names)
    return _source(split, place, listed, look or folders.glance())


def _of_split_folders(
    splits: Mapping[str, Split], places: Mapping[str, ListPlace], is_cut: IsCut
) -> dict[str, Source]:
    """Read each split's folder; without a table, all classes of all are one table."""
    seen = {name: Folders() for name in places}
    scanned = {
        name: listing.scan(
            place.path,
            recursive=True,
            extensions=place.extensions,
            table=place.table,
            note=seen[name].note,
        )
        for name, place in places.items()
    }
    if all(place.table is None for place in places.values()):
        table = classtable.union(each.classes.table for each in scanned.values() if each.classes)
        scanned = {name: each.numbered(table) for name, each in scanned.items()}
    sources: dict[str, Source] = {}
    for name, place in places.items():
        listed = scan.scan(
            place.path,
            place.root,
            recursive=True,
            extensions=place.extensions,
            prefix=place.prefix,
            scanned=scanned[name],
            is_cut=is_cut,
        )
        sources[name] = _source(splits[name], place, listed, seen[name].glance())
    return sources


def _source(
    split: Split, place: ListPlace, listed: ImageListing, look: Glance | None
) -> ListSource:
    job = place.job
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
        root=storage.parse(job.root),
        expected=Expected({"": listed.images}),
        shards=shard_count(job, split.name, listed.images, listed.missing, listed.bytes),
        defaults=Defaults(
            suffix=listed.suffix, offsets=False, repairs=False, long_names=listed.long_names
        ),
        place=place,
        listing=listed,
        look=look,
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
            else rf"write them with slashes: tr '\\' / < LIST > NEW{listed.path.suffix or '.lst'}",
        )
