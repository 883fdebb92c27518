"""The roots of Open Images for Luigi's own command: each step by itself, and the whole.

    luigi --module tasks SelectOpenImages --out OUT --classes FILE

Their parameters are the options of ``shardmill openimages``, by the same names.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cached_property
from typing import ClassVar, Final

from pipeline.errors import NoPermission, NoSpace
from pipeline.job import resolve as resolving
from pipeline.job.table.option import OPEN, Value
from pipeline.job.table.options import options_of
from pipeline.sources.openimages.collection import collection_of
from tasks.openimages import collect
from tasks.openimages.base import begin
from tasks.openimages.collect import CollectOpenImages
from tasks.parameters import takes
from tasks.prepare import Prepare
from tasks.roots import ImageDocument, looked_at

_ALL_BUT_UNTIL: Final = tuple(
    option.flag for option in options_of(OPEN) if option.field and option.flag != "--until"
)


class CollectRoot(ImageDocument):
    """What the roots of Open Images share: what is collected."""

    command = OPEN

    def requires(self) -> CollectOpenImages:
        """Return everything that is collected."""
        return self._collecting

    @cached_property
    def _collecting(self) -> CollectOpenImages:
        job = self.job
        resolving.check(job)
        begin()
        collect.sweep(job)
        return collect.collect_task(job)

    def complete(self) -> bool:
        """Whether all was collected; if so, the lists of images that are not there say so."""
        if not self.requires().complete():
            return False
        with contextlib.suppress(NoPermission, NoSpace):  # they stay as they are
            collect.list_failures(collection_of(self.job))
        return True


class CollectStep(CollectRoot):
    """The steps up to one.

    Attributes:
        step: which, of `UNTIL`.
    """

    step: ClassVar[str]

    @property
    def asked(self) -> dict[str, Value]:
        """The values of the options, with the step that is the last."""
        return {**super().asked, "until": self.step}


@takes(OPEN, *_ALL_BUT_UNTIL)
class OpenImagesMetadata(CollectStep):
    """The metadata files that are needed, verified."""

    step = "metadata"


@takes(OPEN, *_ALL_BUT_UNTIL)
class SelectOpenImages(CollectStep):
    """The tables of the chosen images and objects, and the files of the recipe."""

    step = "select"


@takes(OPEN, *_ALL_BUT_UNTIL)
class OpenImagesMasks(CollectStep):
    """The masks of the chosen objects."""

    step = "masks"


@takes(OPEN, *_ALL_BUT_UNTIL)
class OpenImagesFiles(CollectStep):
    """The chosen images, and their masks if those are wanted."""

    step = "images"


@takes(OPEN)
class PrepareOpenImages(CollectRoot):
    """Classes of Open Images, from their names to verified shards.

    What is to be prepared is known when it was collected: so that is a dynamic dependency.
    """

    def complete(self) -> bool:
        """Whether all was collected, and what is prepared of it is there."""
        job = self.job
        if not super().complete():
            return False
        return not job.openimages.reaches("plan") or looked_at(job).complete()

    def run(self) -> Iterator[Prepare]:
        """Have it prepared."""
        job = self.job
        if job.openimages.reaches("plan"):
            yield looked_at(job)
