"""The options of the commands about classes of Open Images."""

from __future__ import annotations

from typing import Final

from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import DIVIDE, Option

OPTIONS: Final = (
    Option(
        flag="--label",
        short="-l",
        kind=Kind.TEXT,
        group=Group.SELECTION,
        help="MID of a class, such as /m/0gxl3: its rows are taken, and no other's.",
        commands=(DIVIDE,),
        required=True,
        metavar="MID",
        repeats=True,
    ),
    Option(
        flag="--input",
        short="-i",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="CSV file of masks, boxes or labels of images, as it is published.",
        commands=(DIVIDE,),
        required=True,
        metavar="FILE",
    ),
    Option(
        flag="--subset",
        short="-s",
        kind=Kind.CHOICE,
        group=Group.INPUT,
        help="The split that FILE is of; the list has it in front of each ImageID.",
        commands=(DIVIDE,),
        choices=("train", "validation", "test", "challenge2018"),
        required=True,
    ),
    Option(
        flag="--out",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder that the files go into; default: the current one.",
        commands=(DIVIDE,),
        default=".",
        metavar="FOLDER",
    ),
    Option(
        flag="--replace",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Replace files of the same names that hold something else, such as the rows of another"
        " split.",
        commands=(DIVIDE,),
        default=False,
    ),
)
"""The options of both commands, in the order of ``--help``."""
