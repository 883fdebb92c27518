"""The options that say which shards are made, in which order, and with which labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from pipeline.catalog.order import ORDERS, SEED_LIMIT
from pipeline.errors import UsageError
from pipeline.formats.base import DETECTION, JOINED, LABELS
from pipeline.formats.registry import ALL, FORMATS, titles, without_meaning
from pipeline.job.options import Job
from pipeline.job.table.group import Group, Kind
from pipeline.job.table.option import (
    CATALOG,
    COMMANDS,
    LIST,
    OPEN,
    OUTPUT,
    PLAN,
    RESHARD,
    SET,
    Option,
)
from pipeline.job.table.values import check_words

if TYPE_CHECKING:
    from pipeline.sources.data_set import DataSet

NO_SHARDS: Final = "none"
"""The format of those who want no shards."""
_WITH_BOXES: Final = (
    "leave it out: boxes and their classes are in the shards of the other formats, and in exports,"
    " without it"
)
_LABEL_OFFSET_LIMIT: Final = 1 << 30


def _formats(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    """Refuse formats that cannot be made as asked, and options that none of them takes."""
    del names
    check_words("--format", job.formats, tuple(ALL))
    if not job.formats:
        yield UsageError(
            "no format is asked for",
            expected=f"{', '.join(FORMATS)}; {NO_SHARDS} makes no shards",
            found="an empty list",
            remedy="name one with --format, or leave --format out",
        )
    # That there are no boxes is said by the row of --labels.
    detection = job.labels != LABELS[0] and dataset.reads_boxes
    described = dataset.describes_objects and any(ALL[n].describes_objects for n in job.formats)
    remedies = {DETECTION: _WITH_BOXES} if detection and not described else {}
    remedies |= {JOINED: "leave it out"} if job.joined else {}
    for option, remedy in remedies.items():
        for what in without_meaning(job.formats, [option]):
            yield UsageError(what, remedy=remedy)
    for name in job.formats:
        others = [other for other in job.formats if other != name]
        yield from map(UsageError, ALL[name].refusals(job.image, others))


def _shards(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del dataset
    check_words("--shards", [split for split, _ in job.shards], names)
    yield from ()


def _order(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    """Refuse an order without a meaning: a list has no classes, a set no order of its own."""
    del names
    of_some = {"inception", "list"}
    known = [each for each in ORDERS if each not in of_some or each in dataset.own_orders]
    check_words("--order", [job.order], known)
    yield from ()


def _seed(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del dataset, names
    if not 0 <= (job.seed or 0) < SEED_LIMIT:
        found = str(job.seed)
        yield UsageError(f"--seed {job.seed}", expected="0 to 2**64 - 1", found=found)
    if job.order == "inception" and job.seed is not None:
        what = "--seed has no meaning with --order inception, whose shuffle is fixed"
        yield UsageError(what)


def _threads(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del dataset, names
    if job.order != "inception" and job.inception_threads is not None:
        yield UsageError("--inception-threads has a meaning with --order inception only")


def _label_offset(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del dataset, names
    if job.label_offset is not None and not 0 <= job.label_offset < _LABEL_OFFSET_LIMIT:
        yield UsageError(
            f"--label-offset {job.label_offset}: labels are not negative, and fit 32 bits",
            expected=f"0 to {_LABEL_OFFSET_LIMIT - 1}",
            found=str(job.label_offset),
        )


def _labels(job: Job, dataset: DataSet, names: Sequence[str]) -> Iterator[UsageError]:
    del names
    if job.labels != LABELS[0] and not dataset.reads_boxes:
        what = "--labels detection makes labels of bounding boxes: do not leave them out"
        if job.is_listed:
            holders = "these shards do not" if job.packed else "annotations alone"
            what = f"--labels detection makes labels of bounding boxes, which {holders} have"
        yield UsageError(what)


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
        refusals=_formats,
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
        refusals=_shards,
    ),
    Option(
        flag="--shards",
        kind=Kind.NUMBER,
        group=Group.SHARDS,
        help="Number of shards; default: one for each 256 MB of images.",
        commands=(LIST, RESHARD),
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
        commands=(LIST, RESHARD),
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
        refusals=_order,
    ),
    Option(
        flag="--order",
        kind=Kind.CHOICE,
        group=Group.SHARDS,
        help="Order of the images: shuffled by a hash of their names, by name, as the list has"
        " them, or as im2rec.py --list shuffles.",
        commands=(LIST, RESHARD),
        field="order",
        default=Job.order,
        choices=("hash", "name", "list", "im2rec"),
        digests=PLAN,
        refusals=_order,
    ),
    Option(
        flag="--seed",
        kind=Kind.NUMBER,
        group=Group.SHARDS,
        help="Seed of --order hash; default 0.",
        commands=(SET, LIST, RESHARD),
        field="seed",
        metavar="N",
        digests=PLAN,
        refusals=_seed,
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
        refusals=_threads,
    ),
    Option(
        flag="--label-offset",
        kind=Kind.NUMBER,
        group=Group.SHARDS,
        help="Label of the first class; default: 1 where 0 is the background class, as in TFRecord,"
        " else 0.",
        commands=(SET, OPEN),
        field="label_offset",
        metavar="N",
        digests=OUTPUT,
        refusals=_label_offset,
    ),
    Option(
        flag="--labels",
        kind=Kind.CHOICE,
        group=Group.SHARDS,
        help=f"Labels of {titles(DETECTION)} records: the class, or for detection the classes and"
        " boxes of objects, which leaves out images without a box.",
        commands=COMMANDS,
        field="labels",
        default=Job.labels,
        choices=LABELS,
        digests=OUTPUT,
        refusals=_labels,
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
