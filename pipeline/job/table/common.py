"""Options of several commands that are declared without a job, which takes long to import."""

from __future__ import annotations

from typing import Final

from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import CATALOG, COMMANDS, LIST, Option

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
)
FOLDER_CLASSES: Final = Option(
    flag="--classes",
    kind=Kind.PATH,
    group=Group.INPUT,
    help="File that gives the class folders their labels: their names, one a line, or the"
    " NAME.classes.tsv of another run; default: by the order of their names.",
    commands=(LIST,),
    field="classes",
    default="",
    metavar="FILE",
    digests=CATALOG,
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
