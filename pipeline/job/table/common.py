"""Options of several commands that are declared without a job, which takes long to import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pipeline import storage
from pipeline.errors import UsageError
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import CATALOG, COMMANDS, LIST, RESHARD, Option

if TYPE_CHECKING:
    from pipeline.job.options import Job
    from pipeline.sources.data_set import DataSet


def _of_a_folder(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del dataset, names
    if not job.is_listed or not (job.recursive or job.extensions):
        return
    path = storage.parse(job.images)
    # Where nothing is, that is said instead.
    if storage.stat(path) is not None and not storage.is_folder(path):
        yield UsageError("--recursive and --exts have a meaning with a folder only")


def _of_class_folders(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del names
    if not job.is_listed or not job.classes or job.recursive or job.packed or dataset.reads_boxes:
        return
    if storage.is_folder(storage.parse(job.images)):  # what is asked of a list its source checks
        what = "--classes is a table of class folders here: it goes with a folder and --recursive"
        yield UsageError(what)


RECURSIVE: Final = Option(
    flag="--recursive",
    kind=Kind.SWITCH,
    group=Group.INPUT,
    help="Take each folder below FOLDER as a class; default: only the images in FOLDER itself,"
    " with label 0.",
    commands=(LIST,),
    field="recursive",
    default=False,
    digests=CATALOG,
    refusals=_of_a_folder,
)
EXTENSIONS: Final = Option(
    flag="--exts",
    kind=Kind.TEXT,
    group=Group.INPUT,
    help="File extensions to take from a folder; default: .jpeg,.jpg,.png.",
    commands=(LIST,),
    field="extensions",
    default=(),
    metavar=".EXT",
    repeats=True,
    digests=CATALOG,
    refusals=_of_a_folder,
)
FOLDER_CLASSES: Final = Option(
    flag="--classes",
    kind=Kind.PATH,
    group=Group.INPUT,
    help="File that gives the class folders, or the classes that a list names, their labels: their"
    " names, one a line, or the NAME.classes.tsv of another run; default: by the order of their"
    " names.",
    commands=(LIST, RESHARD),
    field="classes",
    default="",
    metavar="FILE",
    digests=CATALOG,
    refusals=_of_class_folders,
)
WORKERS: Final = Option(
    flag="--workers",
    kind=Kind.NUMBER,
    group=Group.RUN,
    help="How many processes work; default: as many as there are CPUs.",
    commands=COMMANDS,
    least=1,
    metavar="N",
)
