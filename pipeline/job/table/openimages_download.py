"""The options of the command that downloads a list of images as the official downloader does."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pipeline.job.table.collecting import INPUT, RUN
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.openimages import IMAGES
from pipeline.job.table.option import DOWNLOAD, NO_DIGEST, Option
from pipeline.job.table.remote import REMOTE_OPTIONS
from pipeline.storage.remote_options import DEFAULT, MOST_IN_FLIGHT

_COLLECTING: Final = {option.flag: option for option in (*INPUT, *IMAGES, *RUN)}
_STORE: Final = tuple(
    replace(option, commands=(DOWNLOAD,), field="")
    for option in REMOTE_OPTIONS
    if option.flag in {"--s3-endpoint", "--s3-region", "--s3-profile", "--s3-addressing"}
)

STORE_FIELDS: Final = (*(option.name for option in _STORE), "s3_unsigned")
"""What says how a store is reached: the names of options, and the fields of `RemoteOptions`."""


def _as_collecting(flag: str) -> Option:
    option = _COLLECTING[flag]
    return replace(option, commands=(DOWNLOAD,), field="", digests=NO_DIGEST)


OPTIONS: Final = (
    Option(
        flag="--list",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="File of images, SPLIT/ImageID a line, such as train/0001eeaf4aed83f9.",
        commands=(DOWNLOAD,),
        metavar="LIST",
        required=True,
        positional=True,
    ),
    Option(
        flag="--download_folder",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder that the images go into; default: the current one.",
        commands=(DOWNLOAD,),
        default=".",
        metavar="DIR",
    ),
    _as_collecting("--bucket"),
    *_STORE,
    _as_collecting("--s3-unsigned"),
    Option(
        flag="--num_processes",
        kind=Kind.NUMBER,
        group=Group.RUN,
        help=f"How many images are asked for at a time; default {DEFAULT.in_flight}.",
        commands=(DOWNLOAD,),
        default=DEFAULT.in_flight,
        least=1,
        most=MOST_IN_FLIGHT,
        metavar="N",
    ),
    _as_collecting("--tries"),
    _as_collecting("--check-pixels"),
)
"""Its options, in the order of ``--help``."""
