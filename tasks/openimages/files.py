"""The steps that collect masks and images: one for each archive, one for each group."""

from __future__ import annotations

from functools import cached_property

import luigi

from pipeline.errors import Vanished
from pipeline.sources.openimages.images import image_files
from pipeline.sources.openimages.images.image_files import Asking, ImageGroup
from pipeline.sources.openimages.masks import masks, sized_masks
from pipeline.sources.openimages.masks.sized_masks import SizedPart
from tasks.base import Volume, logger
from tasks.openimages.base import SplitStep, began
from tasks.run.processes import worker_count


class CollectMasks(SplitStep):
    """The masks of a selection that one archive has."""

    digit: luigi.Parameter[str] = luigi.Parameter(description="first digit of the ImageIDs")
    step = "masks"

    @property
    def counter_name(self) -> str:
        """The split, and which archive."""
        return f"{self.split} {self.digit}"

    def complete(self) -> bool:
        """Whether they were collected."""
        mark = masks.complete(
            self.collection.out, str(self.split), str(self.digest), str(self.digit)
        )
        return mark is not None

    def make(self) -> Volume:
        """Read the archive's index, then the masks that are needed."""
        what, split, digit = self.collection, str(self.split), str(self.digit)
        count = what.whole(split).digits.get(digit, 0)
        with self.counter(count, "images") as progress:
            mark = masks.collect(
                what.out,
                split,
                str(self.digest),
                digit,
                what.mask_archive(split, digit),
                raw=what.raw,
                offline=what.options.offline,
                say=logger.info,
                tell=lambda done, _total: progress(done),
            )
        return Volume(mark.masks)


class ResizeMasks(SplitStep):
    """Masks at the size of their images, beside those of one archive."""

    digit: luigi.Parameter[str] = luigi.Parameter(description="first digit of the ImageIDs")
    step = "resize masks"

    @property
    def part(self) -> SizedPart:
        """Which masks."""
        what, split = self.collection, str(self.split)
        groups = len(what.groups(what.whole(split)))
        return SizedPart(what.out, split, str(self.digest), str(self.digit), groups)

    def complete(self) -> bool:
        """Whether they are there, made of what is collected now."""
        try:
            return sized_masks.complete(self.part) is not None
        except Vanished:  # it is not collected
            return False

    def make(self) -> Volume:
        """Resize each."""
        return Volume(sized_masks.resize(self.part).masks)


class CollectImages(SplitStep):
    """The images of one group of a selection."""

    group: luigi.IntParameter = luigi.IntParameter(description="number of the group")
    retry_count = 1  # each image is tried often enough, and a next command goes on
    step = "images"

    @property
    def counter_name(self) -> str:
        """The split, and which group."""
        return f"{self.split} {self.group}"

    @property
    def images(self) -> ImageGroup:
        """Which images."""
        what = self.collection
        return ImageGroup(what.out, str(self.split), str(self.digest), int(self.group))

    @cached_property
    def asking(self) -> Asking:
        """How they are asked for."""
        return self.collection.asking(str(self.split), worker_count(), began())

    def complete(self) -> bool:
        """Whether each of them is there, or known not to be."""
        return image_files.is_collected(self.images, self.asking)

    def make(self) -> Volume:
        """Ask for those that are not there."""
        received, done = 0, 0
        with self.counter(len(self.images.ids), "images") as progress:

            def tell(_outcome: str, size: int) -> None:
                nonlocal received, done
                received, done = received + size, done + 1
                progress(done)

            image_files.collect(self.images, self.asking, tell)
        return Volume(done, received)
