"""The steps that select the images and objects of a split, and write the files of the recipe."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.selecting import recipe
from pipeline.sources.openimages.selecting.selecting import bytes_of, select
from tasks.base import Volume
from tasks.openimages.base import CollectTask, SplitStep
from tasks.openimages.metadata import FetchMetadata


def metadata_tasks(task: CollectTask, files: Iterable[PublishedFile]) -> list[FetchMetadata]:
    """Return the tasks that have metadata files there."""
    given = {**task.shared, "raw": str(task.collection.raw)}
    return [FetchMetadata(file=file.name, **given) for file in files]


class SelectSplit(SplitStep):
    """The tables of the chosen images and objects of a split; `digest` is the request's.

    The files of classes, which are small, say with the pinned MD5s of the others what is selected.
    So the others are needed only if that is not there: they are dynamic dependencies.
    """

    step = "select"

    @property
    def counter_name(self) -> str:
        """What its progress is noted under."""
        return str(self.split)

    def requires(self) -> list[FetchMetadata]:
        """Return the tasks that have the files of classes."""
        return metadata_tasks(self, self.collection.class_files)

    def complete(self) -> bool:
        """Whether the tables are there."""
        return self.collection.selected(str(self.split)) is not None

    def run(self) -> Iterator[list[FetchMetadata]]:  # type: ignore[override]
        """Have the CSV files there, and read each once."""
        with self.carrying_out():
            if self.complete():
                return
            what, split = self.collection, str(self.split)
            yield metadata_tasks(self, what.csv_files(split))
            start = time.time()
            selection = what.selection(split)
            with self.counter(bytes_of(selection), "bytes") as progress:
                mark = select(self.folder, selection, progress)
            self.note(str(self), start, Volume(mark.images))


class WriteRecipe(SplitStep):
    """The lists of ImageIDs and the rows of each class, as the manual recipe makes them."""

    step = "recipe"

    def requires(self) -> list[SelectSplit]:
        """Return the selection."""
        return [SelectSplit(split=self.split, digest=self.digest, **self.shared)]

    def complete(self) -> bool:
        """Whether the files are there, or none are wanted."""
        what, split = self.collection, str(self.split)
        if what.selected(split) is None:
            return False
        selection = what.selection(split)
        if not recipe.is_wanted(selection.chosen, asked=what.options.recipe):
            return True
        return recipe.complete(what.out, selection) is not None

    def run(self) -> Iterator[list[FetchMetadata]]:  # type: ignore[override]
        """Have the CSV files there, and read each once more."""
        with self.carrying_out():
            if self.complete():
                return
            what, split = self.collection, str(self.split)
            yield metadata_tasks(self, what.csv_files(split))
            start = time.time()
            recipe.write(what.out, what.selection(split))
            self.note(str(self), start, Volume())
