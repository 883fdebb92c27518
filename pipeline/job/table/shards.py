"""The options that say which shards are made, in which order, and with which labels."""

from __future__ import annotations

from typing import Final

from pipeline.catalog.order import ORDERS
from pipeline.formats.base import DETECTION, JOINED, LABELS
from pipeline.formats.registry import FORMATS, titles
from pipeline.job.options import Job
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import CATALOG, COMMANDS, LIST, OUTPUT, PLAN, SET, Option

NO_SHARDS: Final = "none"
"""The format of those who want no shards."""

SHARD_OPTIONS: Final = (
    Option(
        flag="--format",
        kind=Kind.CHOICE,
        group=Group.SHARDS,
        help="Format of the shards; several are made from one read and one decode. none makes no"
        " shards, only the facts that exports are made of.",
        commands=COMMANDS,
        field="formats",
        default=Job.formats,
        choices=(*FORMATS, NO_SHARDS),
        repeats=True,
        digests=OUTPUT,
    ),
    Option(
        flag="--shards",
        kind=Kind.COUNTS,
        group=Group.SHARDS,
        help="Number of shards of a split, such as train=256; default: as the configuration says.",
        commands=(SET,),
        field="shards",
        default=(),
        metavar="SPLIT=N",
        repeats=True,
        digests=PLAN,
    ),
    Option(
        flag="--shards",
        kind=Kind.NUMBER,
        group=Group.SHARDS,
        help="Number of shards; default: one for each 256 MB of images.",
        commands=(LIST,),
        field="shards",
        least=1,
        metavar="N",
        digests=PLAN,
    ),
    Option(
        flag="--name",
        kind=Kind.TEXT,
        group=Group.SHARDS,
        help="Name that the shards begin with; default: that of the list or folder.",
        commands=(LIST,),
        field="name",
        default=Job.name,
        metavar="NAME",
        digests=CATALOG,
    ),
    Option(
        flag="--order",
        kind=Kind.CHOICE,
        group=Group.SHARDS,
        help="Order of the images: shuffled by a hash of their names, by name, as TensorFlow's"
        " Inception scripts shuffle, or as im2rec.py --list does.",
        commands=(SET,),
        field="order",
        default=Job.order,
        choices=tuple(order for order in ORDERS if order != "list"),
        digests=PLAN,
    ),
    Option(
        flag="--order",
        kind=Kind.CHOICE,
        group=Group.SHARDS,
        help="Order of the images: shuffled by a hash of their names, by name, as the list has"
        " them, or as im2rec.py --list shuffles.",
        commands=(LIST,),
        field="order",
        default=Job.order,
        choices=("hash", "name", "list", "im2rec"),
        digests=PLAN,
    ),
    Option(
        flag="--seed",
        kind=Kind.NUMBER,
        group=Group.SHARDS,
        help="Seed of --order hash; default 0.",
        commands=COMMANDS,
        field="seed",
        metavar="N",
        digests=PLAN,
    ),
    Option(
        flag="--inception-threads",
        kind=Kind.NUMBER,
        group=Group.SHARDS,
        help="num_threads of the script that --order inception follows; default 8.",
        commands=(SET,),
        field="inception_threads",
        least=1,
        metavar="N",
        digests=PLAN,
    ),
    Option(
        flag="--label-offset",
        kind=Kind.NUMBER,
        group=Group.SHARDS,
        help="Label of the first class; default: 1 where 0 is the background class, as in TFRecord,"
        " else 0.",
        commands=(SET,),
        field="label_offset",
        metavar="N",
        digests=OUTPUT,
    ),
    Option(
        flag="--labels",
        kind=Kind.CHOICE,
        group=Group.SHARDS,
        help=f"Labels of {titles(DETECTION)} records: the class, or for detection the classes and"
        " boxes of objects, which leaves out images without a box.",
        commands=(SET,),
        field="labels",
        default=Job.labels,
        choices=LABELS,
        digests=OUTPUT,
    ),
    Option(
        flag="--joined",
        kind=Kind.SWITCH,
        group=Group.SHARDS,
        help=f"Also join the {titles(JOINED)} shards of a split into one file.",
        commands=COMMANDS,
        field="joined",
        default=Job.joined,
    ),
)
