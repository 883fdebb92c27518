"""The options of how Open Images is collected: from where, how far, and how it is divided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pipeline.errors import UsageError
from pipeline.job.options import Job
from pipeline.job.selection_options import MOST_TRIES, UNTIL, VERSIONS
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.openimages import option_of
from pipeline.job.table.option import CATALOG, NO_DIGEST, OPEN, PLAN, Option

if TYPE_CHECKING:
    from pipeline.sources.data_set import DataSet


def _until(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del dataset, names
    if job.openimages.until == "masks" and not job.openimages.masks:
        yield UsageError("--until masks: no masks are asked for; say --masks, too")


INPUT: Final = (
    Option(
        flag="--out",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder to write to, on this machine; it is made if it does not exist.",
        commands=(OPEN,),
        field="out",
        metavar="DIR",
        required=True,
    ),
    Option(
        flag="--raw",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="Folder of the metadata files and mask archives, which may be read-only where all of"
        " them are there; default: raw in OUT, which they are fetched into.",
        commands=(OPEN,),
        field="raw",
        default="",
        metavar="DIR",
    ),
    Option(
        flag="--config",
        kind=Kind.PATH,
        group=Group.INPUT,
        help="TOML file that names the metadata files and the bucket; default: that of Open"
        " Images V6 and V7.",
        commands=(OPEN,),
        field="config",
        default="",
        metavar="FILE",
        digests=CATALOG,
    ),
    option_of(
        "--bucket",
        Kind.PATH,
        Group.INPUT,
        "Where the images lie: an s3:// or https:// address, or a folder; default: the public"
        " bucket.",
        metavar="PLACE",
        anywhere=True,
        whole_bucket=True,
        digests=NO_DIGEST,
    ),
    option_of(
        "--version",
        Kind.CHOICE,
        Group.INPUT,
        "Version of Open Images whose names of classes are used; a MID is the same in all.",
        choices=VERSIONS,
    ),
    option_of(
        "--offline",
        Kind.SWITCH,
        Group.INPUT,
        "Fetch no metadata and no archives: list every file that is missing, and where to put it.",
        digests=NO_DIGEST,
    ),
    Option(
        flag="--s3-unsigned",
        kind=Kind.SWITCH,
        group=Group.INPUT,
        help="Whether to send no keys, as to the public bucket; --s3-signed sends yours.",
        commands=(OPEN,),
        field="s3_unsigned",
        default=True,
        off="--s3-signed",
    ),
)
SHARDS: Final = (
    Option(
        flag="--shards",
        kind=Kind.COUNTS,
        group=Group.SHARDS,
        help="Number of shards of a split, such as train=16; default: one for each 256 MB of"
        " images.",
        commands=(OPEN,),
        field="shards",
        default=(),
        metavar="SPLIT=N",
        repeats=True,
        digests=PLAN,
    ),
    Option(
        flag="--order",
        kind=Kind.CHOICE,
        group=Group.SHARDS,
        help="Order of the images: shuffled by a hash of their ImageIDs, or by ImageID.",
        commands=(OPEN,),
        field="order",
        default=Job.order,
        choices=("hash", "name"),
        digests=PLAN,
    ),
    Option(
        flag="--seed",
        kind=Kind.NUMBER,
        group=Group.SHARDS,
        help="Seed of --order hash, and of the choice of --limit and --negatives; default 0.",
        commands=(OPEN,),
        field="seed",
        metavar="N",
        digests=PLAN,
    ),
)
RUN: Final = (
    option_of(
        "--recipe",
        Kind.SWITCH,
        Group.EXPORTS,
        "Write the files of the manual recipe for more than 50 classes, too: lists of ImageIDs,"
        " and the rows of each class.",
        digests=NO_DIGEST,
    ),
    option_of(
        "--until",
        Kind.CHOICE,
        Group.RUN,
        "Stop after this step: metadata fetched, images selected, masks or images collected, all"
        " but shards made, shards made.",
        choices=UNTIL,
        digests=NO_DIGEST,
        refusals=_until,
    ),
    option_of(
        "--tries",
        Kind.NUMBER,
        Group.RUN,
        "How often an image is asked for, at most, while the server is busy or silent.",
        least=1,
        most=MOST_TRIES,
        metavar="N",
        digests=NO_DIGEST,
    ),
    option_of(
        "--retry-absent",
        Kind.SWITCH,
        Group.RUN,
        "Ask again for images that were absent, forbidden or bad.",
        digests=NO_DIGEST,
    ),
    Option(
        flag="--replace",
        kind=Kind.SWITCH,
        group=Group.RUN,
        help="Whether to replace lists and exports that a command with other options made.",
        commands=(OPEN,),
        field="replace",
        default=True,
        off="--no-replace",
    ),
)
