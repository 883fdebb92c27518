"""Everything that a job collects of Open Images: what is known of it comes step by step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import luigi

from pipeline import storage
from pipeline.job.options import Job
from pipeline.sources.openimages import places, requests
from pipeline.sources.openimages.collection import Collection, collection_of
from pipeline.sources.openimages.images import failures, image_rows
from pipeline.state import cleaning
from tasks.base import JobTask
from tasks.openimages import readiness
from tasks.openimages.base import CollectTask, SplitStep
from tasks.openimages.files import CollectImages, CollectMasks, ResizeMasks
from tasks.openimages.select import SelectSplit, WriteRecipe, metadata_tasks


class SelectAll(CollectTask):
    """All splits are selected, and what is known by that stands in no one's way.

    So missing mask archives are named together, and too little space is said before the first image
    is fetched.
    """

    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of the request")

    step = "select"

    def requires(self) -> list[SplitStep]:
        """Return the selections, and the files of the recipe."""
        splits = self.collection.splits
        return [task for split in splits for task in selecting_tasks(self, split)]

    def complete(self) -> bool:
        """Whether all of them are there."""
        return all(task.complete() for task in self.requires())

    def run(self) -> None:
        """Check whether the rest can be collected."""
        with self.carrying_out():
            readiness.check(self.collection)


class CollectSplit(SplitStep):
    """The masks and images of a split; `digest` is the request's.

    Which they are is known when the split is selected: until then they are dynamic dependencies. A
    worker that comes later knows them at once, and takes its share of them.
    """

    step = "collect"

    def requires(self) -> list[luigi.Task]:
        """Return the selections of all splits, and what is known by that."""
        known = self.parts() if self._was_selected else ()
        return [SelectAll(digest=self.digest, **self.shared), *known]

    @cached_property
    def _was_selected(self) -> bool:
        """Whether all selections were there when the worker asked first.

        Luigi asks again before `run`, and fails a task that requires more then than is done.
        """
        return SelectAll(digest=self.digest, **self.shared).complete()

    def complete(self) -> bool:
        """Whether all of them were collected."""
        if not all(task.complete() for task in selecting_tasks(self, str(self.split))):
            return False
        return all(task.complete() for task in (*self.parts(), *self.tasks_behind()))

    def run(self) -> Iterator[list[luigi.Task]]:  # type: ignore[override]
        """Have the masks and images collected that are not there."""
        with self.carrying_out():
            yield self.parts()
            yield self.tasks_behind()
            if self.collection.options.reaches("images"):
                what = self.collection
                failures.write(what.out, str(self.split), what.whole(str(self.split)).digest)

    def parts(self) -> list[luigi.Task]:
        """Return the tasks that collect them."""
        what = self.collection
        mark = what.whole(str(self.split))
        given = {**self.shared, "split": mark.split, "digest": mark.digest}
        parts: list[luigi.Task] = [
            CollectMasks(digit=digit, **given) for digit in what.digits(mark)
        ]
        if what.options.reaches("images"):
            parts += [CollectImages(group=group.number, **given) for group in what.groups(mark)]
        return parts

    def tasks_behind(self) -> list[luigi.Task]:
        """Return the tasks that make something of masks and images."""
        what = self.collection
        mark = what.whole(str(self.split))
        given = {**self.shared, "split": mark.split, "digest": mark.digest}
        return [ResizeMasks(digit=digit, **given) for digit in what.sized_digits(mark)]


class CollectOpenImages(CollectTask):
    """What a job collects, of all splits, up to the step that it ends with."""

    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of the request")

    step = "collect"

    def requires(self) -> list[JobTask]:
        """Return the last task of each split."""
        what = self.collection
        tasks = list[JobTask]()
        for split in what.splits:
            tasks += metadata_tasks(self, what.files_beside(split))
            if not what.options.reaches("select"):
                files = (*what.class_files, *what.csv_files(split))
                tasks += metadata_tasks(self, files)
            elif not what.options.reaches("masks"):
                tasks += selecting_tasks(self, split)
            else:
                tasks.append(CollectSplit(split=split, digest=self.digest, **self.shared))
        return tasks

    def complete(self) -> bool:
        """Whether all of it is there, and anything was selected."""
        if not all(task.complete() for task in self.requires()):
            return False
        what = self.collection
        if what.options.reaches("select"):
            marks = {split: what.whole(split) for split in what.splits}
            requests.check_any(marks, what.options, what.class_names)
        return True

    def run(self) -> None:
        """Do nothing: the tasks before it have done all."""


def selecting_tasks(task: CollectTask, split: str) -> list[SplitStep]:
    """Return the tasks that select a split, and write the files of the recipe."""
    given = {**task.shared, "split": split, "digest": task.collection.digest}
    return [SelectSplit(**given), WriteRecipe(**given)]


def collect_task(job: Job) -> CollectOpenImages:
    """Return the task that requires all others; this process reaches remote places as it does."""
    storage.use(job.remote)
    return CollectOpenImages(out=job.out, job=job, digest=collection_of(job).digest)


def is_complete(job: Job) -> bool:
    """Return whether everything that a job collects is there.

    Raises:
        UsageError: it is, and no image is selected.
    """
    return collect_task(job).complete()


def sweep(job: Job) -> None:
    """Remove what dead processes have left half written of what is collected.

    What they left beside a folder of masks goes where its masks are written again.
    """
    what = collection_of(job)
    out = what.out
    folders = [places.state(out), *map(out.joinpath, ("csv", "failures"))]
    folders += [places.images(out, split) for split in what.splits]
    lists = storage.temp_files(out) if storage.reachable(out, out) else []
    cleaning.remove_stale(out, [*lists, *cleaning.temps_below(out, *folders)])


def list_failures(what: Collection) -> dict[str, int]:
    """Write the lists of images that are not there, of splits that are selected.

    Another selection may have written its own, or a process was killed before it had written them.

    Returns:
        of each split how many had no answer.
    """
    marks = {split: what.selected(split) for split in what.splits}
    return {
        split: failures.write(what.out, split, mark.digest)[image_rows.FAILED]
        for split, mark in marks.items()
        if mark is not None and what.options.reaches("images")
    }
