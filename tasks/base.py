"""What every task shares: its job, its failure record, its progress, and a clean end."""

from __future__ import annotations

import contextlib
import json
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import luigi
from luigi.parameter import ParameterVisibility

from pipeline import paths, storage
from pipeline.errors import ShardmillError, out_of_memory
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.manifest import Sealed
from pipeline.state import progress
from tasks.run import plainlogs
from tasks.run.processes import BEGUN, die_with_worker, report, run_name, show_as, stop_siblings

logger = logging.getLogger("luigi-interface")


class JobParameter(luigi.Parameter[Job]):
    """A whole job as one parameter, canonical JSON on the wire."""

    def parse(self, x: str) -> Job:
        """Rebuild the job."""
        return Job.from_json(x)

    def serialize(self, x: Job) -> str:
        """Return canonical JSON."""
        return x.to_json()


class DocumentTarget(luigi.Target):
    """A manifest or mark: it exists when it parses and `find` says that its files are there."""

    def __init__(self, path: Path, find: Callable[[], Sealed | None]) -> None:
        self.path = str(path)
        self._find = find

    def __str__(self) -> str:
        return self.path

    def exists(self) -> bool:
        """Whether the manifest parses and its files are there."""
        return self._find() is not None


class ShardmillTask(luigi.Task):
    """Base of all steps: parameters that name the product, a job that says how to make it.

    `job` is in no task id, because the digests in the other parameters already say what is
    made: two commands that want the same product share the task.
    """

    out: luigi.Parameter[str] = luigi.Parameter(description="output folder")
    job: JobParameter = JobParameter(
        significant=False, visibility=ParameterVisibility.HIDDEN, description="the whole job"
    )

    step = ""
    document_kind: ClassVar[type[Sealed]]
    """What its mark is decoded into."""

    @property
    def folder(self) -> Path:
        """The output folder."""
        return Path(str(self.out))

    @property
    def resolved(self) -> ResolvedJob:
        """The job with its digests."""
        return resolve(self.job)

    def mark(self) -> Path:
        """Return the path of the document that is written last."""
        raise TypeError(f"{type(self).__name__} has no mark")

    def document(self) -> Sealed | None:
        """Return that document if the product is complete, else None."""
        raise TypeError(f"{type(self).__name__} has no document")

    def forget(self) -> None:
        """Have the product made anew, because it was found damaged."""
        storage.remove(self.folder, self.mark())

    def make(self) -> Volume | None:
        """Make the product; return what was handled, or None where that was noted (`noting`)."""
        raise TypeError(f"{type(self).__name__} makes nothing")

    def output(self) -> DocumentTarget:
        """Return the document as Luigi's target."""
        return DocumentTarget(self.mark(), self.document)

    def on_failure(self, exception: BaseException) -> str:  # noqa: ARG002 - Luigi's own
        """Return for Luigi's pages and e-mail why the task failed."""
        return plainlogs.indented(f"Runtime error:\n{traceback.format_exc()}")

    def run(self) -> None:
        """Make the product unless it is there: after a takeover Luigi does not ask again."""
        die_with_worker()
        show_as(self.step)
        report(BEGUN)
        with self._recording_failure(), storage.shared_lock(paths.run_lock(self.folder)):
            if self.complete():
                return
            start = time.time()
            volume = self.make()
            if volume is not None:
                self._note(str(self), start, volume)

    @contextlib.contextmanager
    def noting(self, name: str) -> Iterator[Volume]:
        """Note what is handled in this context as a thing of its own, with its time."""
        start, volume = time.time(), Volume()
        yield volume
        self._note(name, start, volume)

    def _note(self, name: str, start: float, volume: Volume) -> None:
        timing = progress.Timing(self.step, name, start, time.time(), volume.images, volume.bytes)
        progress.note(self.folder, run_name(), timing)

    @contextlib.contextmanager
    def counter(self, total: int, unit: str) -> Iterator[ProgressReporter]:
        """Report progress to the command and to Luigi's visualiser."""
        reporter = ProgressReporter(self, total, unit)
        try:
            yield reporter
        finally:
            reporter.close()

    @contextlib.contextmanager
    def _recording_failure(self) -> Iterator[None]:
        try:
            yield
        except ShardmillError as error:
            self._record(error)
            if error.permanent:
                stop_siblings()
            raise
        except MemoryError as error:
            self._record(out_of_memory(error))
            raise
        except Exception as error:
            self._record(
                ShardmillError(
                    f"{type(error).__name__}: {error}",
                    place=traceback.format_exc(limit=-1).splitlines()[1].strip(),
                    remedy="this is a defect of the program, or of the machine: see the log",
                )
            )
            raise

    def _record(self, error: ShardmillError) -> None:
        record = json.dumps(error.to_record() | {"task": self.task_id}).encode()
        report(record)
        path = paths.run_failures(self.folder, run_name()) / f"{self.task_id}.json"
        try:
            storage.write_unsynced(path, record)
        except ShardmillError as second:
            logger.error("the failure record could not be written: %s", second)


class Volume:
    """What a task handled, for rates: images and bytes."""

    def __init__(self, images: int = 0, size: int = 0) -> None:
        self.images = images
        self.bytes = size


class ProgressReporter:
    """Publishes progress of a running task, at most twice a second."""

    def __init__(self, task: ShardmillTask, total: int, unit: str) -> None:
        self._task = task
        self._total = total
        name = str(task.task_id)
        self._counter = progress.Counter(task.folder, run_name(), task.step, name, total, unit)

    def __call__(self, done: int) -> None:
        """Note that `done` units are done."""
        if self._counter.update(done):
            tell: Any = getattr(self._task, "set_progress_percentage", None)
            if tell is not None:
                tell(round(100 * done / max(1, self._total), 1))

    def close(self) -> None:
        """Remove the counter."""
        self._counter.close()
