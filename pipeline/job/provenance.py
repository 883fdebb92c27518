"""What an artifact was made of, in names and short values that a person understands.

A product's digest says that something differs, and not what. So its mark keeps, beside the digest,
the things that went into it, and a refusal names those that are others now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pipeline import digests
from pipeline.catalog.classes import LabelTable
from pipeline.job.artifacts import Product
from pipeline.job.options import Job
from pipeline.job.split import SplitJob, order_of
from pipeline.shards import output
from pipeline.shards.output import Output
from pipeline.sources.source import IMAGES, NUMBERS

MadeOf = dict[str, str]

_NUMBER, _OF_EACH_CLASS = NUMBERS
_CLASS_TABLE = "class table"
_OF = ": "  # between a split and what is said of it, where a product is of all splits


def made_of(
    product: Product,
    job: Job,
    table: LabelTable,
    splits: Mapping[str, SplitJob],
) -> MadeOf:
    """Return what decides the digest of a product, by name.

    Args:
        product: the product.
        job: the job that makes it.
        table: its label table.
        splits: its splits, by name.
    """
    split = splits.get(product.split)
    if product.variant:
        return {}  # its name has its digest
    parts = _of_split(product, split) if split else _of_all(product, job, splits.values())
    parts |= _of_table(table)
    if product.version:
        parts["version of its form"] = str(product.version)
    if product.plan is not None:
        parts |= product.plan.made_of
    if product.codec:
        parts["codec"] = product.codec
    return parts


def follows(product: Product, splits: Mapping[str, SplitJob]) -> frozenset[str]:
    """Return which names of `made_of` only say what lies in folders, see `Source.follows`."""
    if product.split in splits:
        return splits[product.split].source.follows()
    return frozenset(
        f"{split.name}{_OF}{name}" for split in splits.values() for name in split.source.follows()
    )


def before(product: Product, splits: Mapping[str, SplitJob]) -> frozenset[tuple[str, str]]:
    """Return names and values of `made_of` from before images were replaced; `Source.before`."""
    if product.split in splits:
        return frozenset((IMAGES, value) for value in splits[product.split].source.before)
    return frozenset(
        (f"{split.name}{_OF}{IMAGES}", value)
        for split in splits.values()
        for value in split.source.before
    )


def split_of(name: str) -> str:
    """Return the split that a name of `made_of` is of; "" where it does not say one."""
    split, colon, _ = name.partition(_OF)
    return split if colon else ""


def has_classes_of(made_of: Mapping[str, str], table: LabelTable) -> bool:
    """Whether something was made with the classes of a label table, in its order."""
    return made_of.get(_CLASS_TABLE) == _of_table(table)[_CLASS_TABLE]


def _of_split(product: Product, split: SplitJob) -> MadeOf:
    parts: MadeOf = {}
    for name in product.parts:
        parts |= _OF_SPLIT[name](split)
    return parts


def _of_table(table: LabelTable) -> MadeOf:
    return {
        _CLASS_TABLE: f"{len(table.class_ids):,} classes, {table.digest}",
        "columns of the class table": digests.digest({"columns": table.columns}),
    }


def _of_all(product: Product, job: Job, splits: Iterable[SplitJob]) -> MadeOf:
    """Return what decides an export that is of all splits together."""
    all_parts: MadeOf = {}
    for split in splits:
        parts: MadeOf = {}
        for name in product.parts:
            parts |= _OF_SPLIT[name](split) if name in _OF_SPLIT else {}
        if "shards" in product.parts:
            parts |= {f"shards of {each.format}": _form(job, split, each) for each in split.outputs}
            parts |= split.source.made_of_places()
        all_parts |= {f"{split.name}{_OF}{name}": value for name, value in parts.items()}
    return all_parts


def _form(job: Job, split: SplitJob, of_format: Output) -> str:
    """Return what decides an output beside its images and boxes, which are named by themselves."""
    order = order_of(job, split.shards, split.threads)
    return digests.digest({**output.decisive(of_format.form), **order})


def _boxes(split: SplitJob) -> MadeOf:
    boxes = split.boxes
    if boxes is None:
        return {"annotations": "none"}
    if boxes.archive is not None:
        source = f"{boxes.archive.file} of MD5 {boxes.archive.md5}"
    else:
        source = f"the folder {boxes.path.name}, {boxes.digest}"
    return {
        "annotations": source,
        "--box-class-filter": _given(boxes.filtered),
    }


def _images(split: SplitJob) -> MadeOf:
    expected = split.expected
    appended = {"appended to": split.appended.parent.family} if split.appended else {}
    return {
        **split.source.made_of(),
        **appended,
        _NUMBER: f"{expected.images:,}",
        _OF_EACH_CLASS: _short(sorted(expected.counts.items())),
    }


def _given(given: bool) -> str:
    return "given" if given else "not given"


def _short(value: object) -> str:
    return digests.digest({"value": value})


_OF_SPLIT = {"images": _images, "boxes": _boxes}
