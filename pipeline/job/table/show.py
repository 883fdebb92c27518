"""The options of the command that shows an image."""

from __future__ import annotations

from typing import Final

from pipeline.formats.registry import FORMATS
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import SHOW, Option

SHOW_OPTIONS: Final = (
    Option(
        flag="--out",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Output folder of the commands that prepare, or its address in S3.",
        commands=(SHOW,),
        metavar="OUT",
        required=True,
        positional=True,
        anywhere=True,
    ),
    Option(
        flag="--key",
        kind=Kind.TEXT,
        group=Group.INPUT,
        help="Key of the image, or its file name, with or without its ending.",
        commands=(SHOW,),
        metavar="KEY",
        required=True,
        positional=True,
    ),
    Option(
        flag="--split",
        kind=Kind.TEXT,
        group=Group.SELECTION,
        help="The split that has the image; default: all are looked through.",
        commands=(SHOW,),
        default="",
        metavar="NAME",
    ),
    Option(
        flag="--format",
        kind=Kind.CHOICE,
        group=Group.SELECTION,
        help="Which format of the output is read; default: the first that there is.",
        commands=(SHOW,),
        choices=tuple(FORMATS),
    ),
    Option(
        flag="--boxes",
        kind=Kind.SWITCH,
        group=Group.IMAGES,
        help="Say each box, too, and draw them all on the image that --save writes.",
        commands=(SHOW,),
        default=False,
    ),
    Option(
        flag="--save",
        kind=Kind.PATH,
        group=Group.IMAGES,
        help="File to write the image to: its bytes as they are stored; with --boxes a JPEG or PNG,"
        " by the ending of FILE.",
        commands=(SHOW,),
        default="",
        metavar="FILE",
    ),
)
"""All of its options but those of remote places, in the order of ``--help``."""
