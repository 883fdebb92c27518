"""The options of the command that looks at the machine."""

from __future__ import annotations

from typing import Final

from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import DOCTOR, Option

DOCTOR_OPTIONS: Final = (
    Option(
        flag="--raw",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder of archives or images, whose disk is looked at, too.",
        commands=(DOCTOR,),
        default="",
        metavar="RAW",
    ),
    Option(
        flag="--out",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder that shards are to be written to, or its s3:// address; it need not exist."
        " Default: the current folder.",
        commands=(DOCTOR,),
        default="",
        metavar="OUT",
        anywhere=True,
    ),
    Option(
        flag="--scheduler-host",
        kind=Kind.TEXT,
        group=Group.RUN,
        help="Whether a luigid answers there; default port 8082.",
        commands=(DOCTOR,),
        default="",
        metavar="HOST[:PORT]",
    ),
)
"""All of its options but those of remote places, in the order of ``--help``."""
