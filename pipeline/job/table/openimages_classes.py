"""The options of the commands about classes of Open Images."""

from __future__ import annotations

from typing import Final

from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import CLASSES, DIVIDE, OPEN, SET, Option

OPTIONS: Final = (
    Option(
        flag="--words",
        kind=Kind.TEXT,
        group=Group.INPUT,
        help="Words that the name of a class has, or parts of them; its MID, WNID or other id; or"
        " its number in any convention.",
        commands=(CLASSES,),
        metavar="WORDS",
        required=True,
        positional=True,
    ),
    Option(
        flag="--dataset",
        kind=Kind.CHOICE,
        group=Group.INPUT,
        help="The data set whose classes these are: Open Images, or that of a configuration of the"
        " form of ILSVRC2012. Default: what --config is of; of a WNID or a number imagenet; else"
        " openimages.",
        commands=(CLASSES,),
        choices=(OPEN, SET),
    ),
    Option(
        flag="--raw",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder of the published files of Open Images; the names of classes are fetched into"
        " it if they are not there. Default: a folder of this user's cache.",
        commands=(CLASSES,),
        default="",
        metavar="RAW",
    ),
    Option(
        flag="--config",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="TOML file of the data set; default: the shipped one.",
        commands=(CLASSES,),
        default="",
        metavar="FILE",
    ),
    Option(
        flag="--label-offset",
        kind=Kind.NUMBER,
        group=Group.SELECTION,
        help="Say the number of a class with this offset, too, as shards have it that were prepared"
        " with it; a number is looked up so, too.",
        commands=(CLASSES,),
        metavar="N",
    ),
    Option(
        flag="--counts",
        kind=Kind.SWITCH,
        group=Group.SELECTION,
        help="Say how many images, boxes and masks each split has of a class, by the CSV files that"
        " lie in RAW; what was counted is kept in this user's cache.",
        commands=(CLASSES,),
        default=False,
    ),
    Option(
        flag="--offline",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Fetch nothing; files that are not in RAW are named, with their addresses.",
        commands=(CLASSES,),
        default=False,
    ),
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
"""The options of these commands, in the order of ``--help``."""
