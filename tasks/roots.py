"""The roots for Luigi's own command: each step by itself, and the whole preparation.

luigi --module tasks BoundingBoxes --raw RAW --out OUT
"""

from __future__ import annotations

from pathlib import Path

import luigi

from pipeline import resources
from pipeline.errors import UsageError
from pipeline.job import PRODUCTS, Job
from pipeline.resolved import resolve
from tasks.datasets import MakeProducts


class DatasetRoot(luigi.WrapperTask):
    """What all roots share: where the data lie, and which of them are wanted."""

    raw: luigi.Parameter[str] = luigi.Parameter(default="", description="folder of the archives")
    out: luigi.Parameter[str] = luigi.Parameter(description="folder of the output")
    tree: luigi.Parameter[str] = luigi.Parameter(default="", description="an unpacked set to read")
    config: luigi.Parameter[str] = luigi.Parameter(default="", description="dataset TOML")
    split: luigi.Parameter[str] = luigi.Parameter(default="", description="train,validation")
    classes: luigi.Parameter[str] = luigi.Parameter(default="", description="file of WNIDs")
    extras: luigi.Parameter[str] = luigi.Parameter(default="", description="optional archives")
    skip_blacklisted: luigi.BoolParameter = luigi.BoolParameter(description="no blacklisted images")
    replace: luigi.BoolParameter = luigi.BoolParameter(description="replace another job's product")

    def options(self) -> dict[str, object]:
        """Return what this root adds to the options that all share."""
        raise TypeError(f"{type(self).__name__} makes nothing")

    @property
    def job(self) -> Job:
        """The options as a job."""
        shared: dict[str, object] = {
            "raw": absolute(self.raw) if self.raw else "",
            "out": absolute(self.out),
            "tree": absolute(self.tree) if self.tree else "",
            "config": absolute(self.config) if self.config else default_config(),
            "splits": words(self.split),
            "classes": absolute(self.classes) if self.classes else "",
            "extras": words(self.extras),
            "skip_blacklisted": self.skip_blacklisted,
            "replace": self.replace,
        }
        return Job(**(shared | self.options()))  # type: ignore[arg-type]

    def requires(self) -> MakeProducts:
        """Return everything that the job asks for."""
        return make_products(self.job)


class VerifyArchives(DatasetRoot):
    """Every archive has its MD5, and its members are indexed."""

    def options(self) -> dict[str, object]:
        """Return what to make."""
        return {"products": ("verify",)}


class BoundingBoxes(DatasetRoot):
    """bboxes.csv and its report."""

    box_class_filter: luigi.BoolParameter = luigi.BoolParameter(description="TensorFlow's filter")

    def options(self) -> dict[str, object]:
        """Return what to make."""
        return {"products": ("boxes",), "box_class_filter": self.box_class_filter}


class ImageList(DatasetRoot):
    """The list of each split's images, and the label tables."""

    def options(self) -> dict[str, object]:
        """Return what to make."""
        return {"products": ("lists",), "boxes": False}


class ExtractTrain(DatasetRoot):
    """The class folders of the training images."""

    split: luigi.Parameter[str] = luigi.Parameter(default="train", description="name of the split")
    transfer: luigi.Parameter[str] = luigi.Parameter(
        default="copy", description="of a tree's files: copy, link, symlink or move"
    )

    def options(self) -> dict[str, object]:
        """Return what to make."""
        return {"products": ("extract",), "boxes": False, "transfer": self.transfer}


class ReorganiseValidation(ExtractTrain):
    """The class folders of the validation images, from the flat tar or a flat folder."""

    split: luigi.Parameter[str] = luigi.Parameter(
        default="validation", description="name of the split"
    )


class PrepareImageNet(DatasetRoot):
    """ILSVRC2012, or a set of its shape, from archives or a tree to verified shards."""

    format: luigi.Parameter[str] = luigi.Parameter(default="tfrecord", description="formats")
    shards: luigi.Parameter[str] = luigi.Parameter(default="", description="train=8,...")
    order: luigi.Parameter[str] = luigi.Parameter(
        default="hash", description="hash, name or inception"
    )
    seed: luigi.Parameter[str] = luigi.Parameter(default="", description="of hash: a number")
    inception_threads: luigi.Parameter[str] = luigi.Parameter(default="", description="a number")
    label_offset: luigi.Parameter[str] = luigi.Parameter(default="", description="a number")
    no_boxes: luigi.BoolParameter = luigi.BoolParameter(description="no bounding boxes")
    box_class_filter: luigi.BoolParameter = luigi.BoolParameter(description="TensorFlow's filter")
    extract: luigi.BoolParameter = luigi.BoolParameter(description="make class folders too")
    transfer: luigi.Parameter[str] = luigi.Parameter(
        default="copy", description="of a tree's files: copy, link, symlink or move"
    )
    until: luigi.Parameter[str] = luigi.Parameter(default="shards", description="the last step")
    on_bad_image: luigi.Parameter[str] = luigi.Parameter(default="fail", description="or skip")

    def options(self) -> dict[str, object]:
        """Return what to make, and how."""
        return {
            "products": products_until(self.until, boxes=not self.no_boxes, extract=self.extract),
            "formats": words(self.format),
            "shards": shard_counts(words(self.shards)),
            "order": self.order,
            "seed": number("--seed", self.seed),
            "inception_threads": number("--inception-threads", self.inception_threads),
            "label_offset": number("--label-offset", self.label_offset),
            "boxes": not self.no_boxes,
            "box_class_filter": self.box_class_filter,
            "transfer": self.transfer,
            "on_bad_image": self.on_bad_image,
        }


def make_products(job: Job) -> MakeProducts:
    """Return the root of a job."""
    return MakeProducts(out=job.out, digest=resolve(job).digest, job=job)


def products_until(step: str, *, boxes: bool, extract: bool) -> tuple[str, ...]:
    """Return what is to be made up to a step, which is the name of a product.

    Raises:
        UsageError: there is no such step.
    """
    if step not in PRODUCTS:
        raise UsageError(f"--until {step}: unknown", expected=", ".join(PRODUCTS), found=step)
    if step == "verify":
        return ("verify",)
    wanted = {"boxes": boxes, "lists": True, "extract": extract or step == "extract"}
    upto = PRODUCTS[: PRODUCTS.index(step) + 1]
    return tuple(name for name in upto if name != "verify" and wanted.get(name, True))


def default_config() -> str:
    """Return the path of the shipped ILSVRC2012 configuration."""
    return str(resources.shipped("config/ilsvrc2012.toml"))


def absolute(path: str) -> str:
    """Return a path that means the same in every process.

    Raises:
        UsageError: it is empty, or no text.
    """
    if not path or path.encode(errors="replace").decode() != path:
        raise UsageError("a path is empty or not UTF-8", found=repr(path))
    return str(Path(path).expanduser().absolute())


def words(text: str) -> tuple[str, ...]:
    """Split a comma-separated option."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def number(option: str, text: str) -> int | None:
    """Parse a whole number; None where nothing is given.

    Raises:
        UsageError: it is none.
    """
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"{option} {text}", expected="a whole number", found=text)
    return int(text)


def shard_counts(pairs: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Parse ``split=number`` pairs.

    Raises:
        UsageError: a pair is not of that form.
    """
    found = []
    for pair in pairs:
        split, equals, count = pair.partition("=")
        if not equals or not count.isascii() or not count.isdigit():
            raise UsageError(f"--shards {pair}", expected="SPLIT=NUMBER", found=pair)
        found.append((split, int(count)))
    if len(dict(found)) < len(found):
        raise UsageError("--shards is given twice for a split", found=", ".join(pairs))
    return tuple(found)
