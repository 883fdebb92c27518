"""The options of the commands that write configurations."""

from __future__ import annotations

from typing import Final

from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import CONFIG, DESCRIBE, Option

OWN_DATA_OPTIONS: Final = (
    Option(
        flag="--raw",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder of the archives. It may be read-only.",
        commands=(DESCRIBE,),
        anywhere=True,  # refused by the command, which knows the remedy
        metavar="RAW",
        required=True,
        positional=True,
    ),
    Option(
        flag="--out",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="TOML file to write; default: standard output. The label table and the lists of labels"
        " are written beside it: beside the file that standard output goes into, or else into the"
        " current folder.",
        commands=(DESCRIBE,),
        default="",
        metavar="FILE",
    ),
    Option(
        flag="--name",
        kind=Kind.TEXT,
        group=Group.INPUT,
        help="What the data set is called, with which the names of the files beside FILE begin;"
        " default: the name of RAW.",
        commands=(DESCRIBE,),
        default="",
        metavar="NAME",
    ),
    Option(
        flag="--replace",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Replace files of the same names that hold something else, such as words that somebody"
        " has written into the label table.",
        commands=(DESCRIBE,),
        default=False,
    ),
    Option(
        flag="--action",
        kind=Kind.CHOICE,
        group=Group.INPUT,
        help="What to do: copy writes the shipped configuration into FOLDER.",
        commands=(CONFIG,),
        choices=("copy",),
        required=True,
        positional=True,
    ),
    Option(
        flag="--folder",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder that the files go into; it is made if it does not exist.",
        commands=(CONFIG,),
        metavar="FOLDER",
        required=True,
        positional=True,
    ),
)
"""The options of both commands, in the order of ``--help``."""
