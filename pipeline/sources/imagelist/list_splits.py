"""Which splits a list or folder has: one, those of its folders, by shares, or by a column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from pipeline import paths, storage
from pipeline.documents.sources import RecordedSplits
from pipeline.errors import UsageError
from pipeline.job.options import Job
from pipeline.sources import glance
from pipeline.sources import split_names as splitnames
from pipeline.sources.glance import Glance
from pipeline.sources.imagelist import division as divisions
from pipeline.sources.imagelist import folder as listing
from pipeline.sources.imagelist import split_column as splitcolumn
from pipeline.sources.imagelist import split_folders as splitfolders
from pipeline.sources.imagelist import table_forms as tableforms
from pipeline.sources.imagelist.division import WHOLE, Division
from pipeline.storage import Location

_ByColumn = tuple[str, tuple[str, ...]]
"""The column that names splits, and these, sorted; an empty name: there is none."""


@dataclass(frozen=True)
class ListSplits:
    """The splits of a list or folder.

    Attributes:
        folders: of each split its folder in the one that was named; empty: that one itself, or the
            list.
        division: how the images are divided among them.
        column: the column that says so; empty: none does.
    """

    folders: Mapping[str, str]
    division: Division = WHOLE
    column: str = ""


def of_job(job: Job) -> ListSplits:
    """Return the splits of a job's list or folder.

    There are those that are given with their shares, or those that a column of the list names, or,
    of a folder that holds splits of the same class folders, these, with the names of their
    folders; else one, whose name is given or made of that of the list or folder.

    Raises:
        UsageError: a name is none for files; shares are no division; splits are said in two ways.
        BadAnnotation: the column of the splits is not what it should be; see `table_forms.splits`.
    """
    splitnames.check(job.name)
    folders = _split_folders(job)
    if job.shares:
        return _by_shares(job, folders)
    if folders:
        return ListSplits(_of_folders(job, folders))
    column, names = _by_column(job)
    if not column:
        return ListSplits({job.name or splitnames.of_file(storage.parse(job.images).name): ""})
    if job.name:
        raise UsageError(
            f"the column {column!a} of the list names its splits",
            file=job.images,
            expected="no --name, or one split",
            found=f"--name {job.name}, and the splits {', '.join(names)}",
            remedy=f"leave --name out, or say --split {job.name}=1 to make one split of all",
        )
    return ListSplits(dict.fromkeys(names, ""), Division(column=True), column)


def remember(job: Job, splits: ListSplits, look: Glance) -> None:
    """Keep which splits the column of a list names, so that it need not be read to be known."""
    document = {
        "column": splits.column,
        "names": list(splits.folders),
        "look": look.to_json(_asked(job)),
    }
    glance.record(job.folder, _record(job), document, RecordedSplits)


def _by_shares(job: Job, folders: tuple[str, ...]) -> ListSplits:
    for name, _ in job.shares:
        splitnames.check(name, "--split")
    divisions.check(job.shares)
    others = {
        f"--name {job.name}": job.name,
        f"--split-column {job.split_column}": job.split_column,
        f"the folders {', '.join(folders)}, which are splits": folders,
    }
    other = next((said for said, is_said in others.items() if is_said), None)
    if other is not None:
        raise UsageError(
            "the splits are said in two ways",
            file=job.images,
            expected="--split NAME=SHARE alone",
            found=f"it, and {other}",
            remedy="leave one of them out"
            if not folders
            else f"leave --split out, or run the command for {job.images}/{folders[0]} alone",
        )
    names = sorted(name for name, _ in job.shares)
    return ListSplits(dict.fromkeys(names, ""), Division(job.shares))


def _of_folders(job: Job, folders: tuple[str, ...]) -> dict[str, str]:
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


def _by_column(job: Job) -> _ByColumn:
    """Return the column that names splits, and these: as kept, or as the list says."""
    path = storage.parse(job.images)
    is_named = tableforms.is_called_so(path) and storage.stat(path) is not None
    if not is_named or not tableforms.has_named_columns(path):
        return "", ()
    kept = glance.recall(_record(job), RecordedSplits)
    if kept is not None and kept.look.asked == _asked(job) and Glance.recorded(kept.look).holds():
        return kept.column, kept.names
    stamp = storage.settled(path)
    read = _read.__wrapped__ if stamp == storage.UNSETTLED else _read
    return read(path, job.split_column, stamp)


@lru_cache(maxsize=8)
def _read(path: Location, column: str, stamp: int) -> _ByColumn:
    """Return what a list says; a file of the same stamp says the same."""
    del stamp
    if not column and splitcolumn.NAMED_SO not in tableforms.column_names(path):
        return "", ()
    column = column or splitcolumn.NAMED_SO
    return column, tableforms.splits(path, column)


def _asked(job: Job) -> str:
    return glance.asked({"images": job.images, "split_column": job.split_column})


def _record(job: Job) -> Location:
    return paths.list_record(job.folder, "", _asked(job))
