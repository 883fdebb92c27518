"""The roots for Luigi's own command: each step by itself, and the whole preparation.

luigi --module tasks BoundingBoxes --raw RAW --out OUT

Their parameters are the options of ``shardmill imagenet`` and ``imagelist``, by the same names.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import ClassVar

import luigi

from pipeline.errors import NoPermission, NoSpace, UsageError
from pipeline.job.build import build_job
from pipeline.job.choices import words
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.job.table.images import IMAGE_OPTIONS
from pipeline.job.table.option import LIST, RESHARD, SET, Value
from pipeline.state import cleaning, preflight, withdrawal
from pipeline.state import source_look as sourcelook
from pipeline.state.inventory import Inventory
from tasks import arguments
from tasks.first_pass import is_complete, record_task
from tasks.parameters import ListParameter, given, takes
from tasks.prepare import Prepare

_SHARED = (
    *("--raw", "--out", "--tree", "--config", "--with", "--split", "--classes"),
    *("--skip-blacklisted", "--replace"),
)


class JobRoot(luigi.WrapperTask):
    """What all roots share: a job, made of parameters that `takes` gives to each.

    Attributes:
        command: whose options they are.
    """

    command: ClassVar[str]

    @property
    def asked(self) -> dict[str, Value]:
        """The values of the options."""
        return given(self, self.command)

    @property
    def job(self) -> Job:
        """The options as a job."""
        return build_job(self.command, self.asked)


class PreparingRoot(JobRoot):
    """A root that prepares a source, which may have to be read before anything can be planned."""

    @cached_property
    def _reads_first(self) -> bool:
        """Whether archives or shards were to be read first when the worker asked first.

        Luigi asks again before `run`, and fails a task that requires more then than is done.
        """
        return not is_complete(self.job)

    def requires(self) -> luigi.Task:
        """Return everything that the job asks for, or what comes before that is known."""
        return record_task(self.job) if self._reads_first else looked_at(self.job)

    def complete(self) -> bool:
        """Whether everything is there."""
        return is_complete(self.job) and looked_at(self.job).complete()

    def run(self) -> Iterator[luigi.Task]:
        """Have everything made that is known only now."""
        if self._reads_first:
            yield looked_at(self.job)


@takes(SET, *_SHARED)
class DatasetRoot(PreparingRoot):
    """What the roots of a configured set share: where it lies, and what of it is wanted."""

    command = SET
    extras: ListParameter = ListParameter(default="", description="The same as --with.")

    @property
    def asked(self) -> dict[str, Value]:
        """The values of the options."""
        values = super().asked
        named = values["with"]
        also = words(self.extras)
        return {**values, "with": (*named, *also)} if isinstance(named, tuple) else values


class StepRoot(DatasetRoot):
    """One step by itself.

    Attributes:
        step: which, of `STEPS`.
        reads_boxes: whether bounding boxes are read for it.
    """

    step: ClassVar[str]
    reads_boxes: ClassVar[bool] = False

    @property
    def job(self) -> Job:
        """The options as a job."""
        return replace(super().job, steps=(self.step,), boxes=self.reads_boxes)


class VerifyArchives(StepRoot):
    """Every archive has its MD5, and its members are indexed."""

    step = "verify"
    reads_boxes = True


@takes(SET, "--box-class-filter")
class BoundingBoxes(StepRoot):
    """bboxes.csv and its report."""

    step = "boxes"
    reads_boxes = True


class ImageList(StepRoot):
    """The list of each split's images, and the label tables."""

    step = "lists"


@takes(SET, "--split", "--transfer", split="train")
class ExtractTrain(StepRoot):
    """The class folders of the training images."""

    step = "extract"


@takes(SET, "--split", split="validation")
class ReorganiseValidation(ExtractTrain):
    """The class folders of the validation images, from the flat tar or a flat folder."""


class ImageDocument(JobRoot):
    """A root that also takes the options of images as one JSON document."""

    image: luigi.Parameter[str] = luigi.Parameter(
        default="{}",
        description='The options of images as JSON: {"resize": 256, "quality": 95}.',
    )

    @property
    def asked(self) -> dict[str, Value]:
        """The values of the options.

        Raises:
            UsageError: the document and an option give the same, or a value means nothing.
        """
        values, document = super().asked, arguments.image_options(self.image)
        for option in IMAGE_OPTIONS:
            if option.name in document and values[option.name] != option.default:
                raise UsageError(f"{option.flag} is given, and by --image, too: leave one out")
        return values | document


@takes(SET)
class PrepareImageNet(ImageDocument, DatasetRoot):
    """ILSVRC2012, or a set of its shape, from archives or a tree to verified shards."""


@takes(LIST)
class PrepareImageList(ImageDocument, PreparingRoot):
    """What an image list, or a folder of images, names, to verified shards."""

    command = LIST


@takes(RESHARD)
class PrepareShards(ImageDocument, PreparingRoot):
    """What lies in shards of any program, or in an output of this one, to verified shards."""

    command = RESHARD


@lru_cache(maxsize=16)
def looked_at(job: Job) -> Prepare:
    """Return the root of a job after its source was read and its images looked at, once a process.

    That is no task: what a task has made stays made, and this is to be done by every command.
    """
    resolved = resolve.reading(job)
    withdrawal.resume(resolved.out)
    seen = sourcelook.look(Inventory(resolved))
    sourcelook.settle(resolved.out, seen)
    # A task says why nothing can be written, where something is to be made.
    with contextlib.suppress(NoPermission, NoSpace):
        preflight.remember_sources(resolved)
        cleaning.sweep(resolved)
    if seen.parts:
        resolve.again(resolved.job)
    return prepare_task(resolved.job)


def prepare_task(job: Job) -> Prepare:
    """Return the root of a job."""
    return Prepare(out=job.out, digest=resolve(job).digest, job=job)
