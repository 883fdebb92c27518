"""The options of the commands that prepare nothing: of an output, a drawn sample, or a shell."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pipeline.formats.registry import DEFAULT, FORMATS
from pipeline.job.table.common import WORKERS
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import (
    CACHE,
    CLEAN,
    COMPLETION,
    REPORT,
    SAMPLE,
    STATUS,
    VERIFY,
    WHERE,
    Option,
)

SHELLS: Final = ("bash", "zsh", "fish")
"""The shells that may complete what is typed."""


def _out(command: str, text: str, *, anywhere: bool = False) -> Option:
    return Option(
        flag="--out",
        kind=Kind.PATH,
        group=Group.INPUT,
        help=text,
        commands=(command,),
        metavar="OUT",
        required=True,
        positional=True,
        anywhere=anywhere,
    )


_OF_COMMANDS: Final = (
    "Output folder of the commands that prepare, or its address in S3; or what im2rec has packed:"
    " a folder, NAME.rec or its manifest."
)

OUTPUT_OPTIONS: Final = (
    _out(STATUS, _OF_COMMANDS, anywhere=True),
    _out(VERIFY, _OF_COMMANDS, anywhere=True),
    Option(
        flag="--against",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Compare each image with its source, in this folder of archives or images, or at this"
        " address of archives or of the bucket of Open Images, reached as the job that was started"
        " last had it.",
        commands=(VERIFY,),
        default="",
        metavar="RAW",
        anywhere=True,
    ),
    Option(
        flag="--remove-damaged",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Remove damaged files: their command makes them again.",
        commands=(VERIFY,),
        default=False,
    ),
    replace(WORKERS, commands=(VERIFY,)),
    _out(CLEAN, "Output folder of the commands that prepare, or its address in S3.", anywhere=True),
    Option(
        flag="--yes",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Remove without asking what would be removed.",
        commands=(CLEAN,),
        default=False,
    ),
    Option(
        flag="--dry-run",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Say what would be removed, and remove nothing.",
        commands=(CLEAN,),
        default=False,
    ),
    Option(
        flag="--unselected",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Also remove images and masks of Open Images that neither the last command asks for"
        " nor a finished output was made of.",
        commands=(CLEAN,),
        default=False,
    ),
    Option(
        flag="--other-hosts",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Also remove what processes of other hosts have left: whether they still run is not"
        " seen from here, so look yourself first.",
        commands=(CLEAN,),
        default=False,
    ),
    Option(
        flag="--uploads-after",
        kind=Kind.NUMBER,
        group=Group.RUN,
        help="Hours after which an unfinished upload to S3 counts as given up.",
        commands=(CLEAN,),
        default=24,
        least=0,
        metavar="HOURS",
    ),
    _out(WHERE, "Output folder of the commands that prepare, or its address in S3.", anywhere=True),
    Option(
        flag="--of",
        kind=Kind.TEXT,
        group=Group.INPUT,
        help="The split whose output is meant, such as train.",
        commands=(WHERE,),
        default="",
        metavar="SPLIT",
        positional=True,
    ),
    Option(
        flag="--split",
        kind=Kind.TEXT,
        group=Group.INPUT,
        help="The same as SPLIT, as other commands are told it.",
        commands=(WHERE,),
        default="",
        metavar="NAME",
    ),
    Option(
        flag="--format",
        kind=Kind.CHOICE,
        group=Group.INPUT,
        help="Which of its formats is meant.",
        commands=(WHERE,),
        default=DEFAULT,
        choices=tuple(FORMATS),
    ),
    _out(
        REPORT, "Output folder of the commands that prepare, or its address in S3.", anywhere=True
    ),
    Option(
        flag="--open",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Open the page in a browser when it is made; not of an output in S3.",
        commands=(REPORT,),
        default=False,
    ),
    Option(
        flag="--duplicates",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Look for duplicates, too, within and between splits: every image is decoded.",
        commands=(REPORT,),
        default=False,
    ),
    Option(
        flag="--distance",
        kind=Kind.NUMBER,
        group=Group.RUN,
        help="How many of 63 bits the hashes of images that look alike may differ in; default: 4.",
        commands=(REPORT,),
        least=0,
        most=8,
        metavar="N",
    ),
    replace(WORKERS, commands=(REPORT,)),
    _out(CACHE, "Output folder that has files of --export dbcollection or raw256."),
    Option(
        flag="--home",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder of the cache that is written to; default: your home folder.",
        commands=(CACHE,),
        default="",
        metavar="DIR",
    ),
    Option(
        flag="--raw",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder that the sample is drawn into; it is made if it does not exist.",
        commands=(SAMPLE,),
        metavar="RAW",
        required=True,
        positional=True,
    ),
    Option(
        flag="--openimages",
        kind=Kind.SWITCH,
        group=Group.INPUT,
        help="Draw a set of Open Images' shape: its files, mask archives and a bucket of images.",
        commands=(SAMPLE,),
        default=False,
    ),
    Option(
        flag="--seed",
        kind=Kind.NUMBER,
        group=Group.INPUT,
        help="Seed of what is drawn; default: 0.",
        commands=(SAMPLE,),
        default=0,
        metavar="N",
    ),
    Option(
        flag="--shell",
        kind=Kind.CHOICE,
        group=Group.INPUT,
        help="The shell that the script is for.",
        commands=(COMPLETION,),
        choices=SHELLS,
        required=True,
        positional=True,
    ),
)
"""Their options, in the order of ``--help``."""
