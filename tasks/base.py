"""The base of every task: its job, its failure record, its progress, and a clean end."""

from __future__ import annotations

import contextlib
import json
import logging
import time
import traceback
from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

import luigi
from luigi.parameter import ParameterVisibility

from pipeline import paths, storage
from pipeline.errors import ShardmillError, out_of_memory
from pipeline.job.options import Job
from pipeline.state import progress
from pipeline.storage import Location
from tasks.reporting import ProgressReporter, saying_waits
from tasks.run import plainlogs
from tasks.run.processes import BEGUN, die_with_worker, ending_for_good, report, run_name, show_as

logger = logging.getLogger("luigi-interface")
LOOK_AGAIN_S: Final = 5.0
"""For how long a process that does task after task takes the listing of a store for new."""


class JobParameter(luigi.Parameter[Job]):
    """A whole job as one parameter, canonical JSON on the wire."""

    def parse(self, x: str) -> Job:
        """Rebuild the job."""
        return Job.from_json(x)

    def serialize(self, x: Job) -> str:
        """Return canonical JSON."""
        return x.to_json()


class JobTask(luigi.Task):
    """Base of all steps: parameters that name what is made, a job that says how to make it.

    `job` is in no task id, because the digests in the other parameters already say what is
    made: two commands that want the same share the task.
    """

    out: luigi.Parameter[str] = luigi.Parameter(description="output folder")
    job: JobParameter = JobParameter(
        significant=False, visibility=ParameterVisibility.HIDDEN, description="the whole job"
    )

    @classmethod
    def get_params(cls) -> list[tuple[str, luigi.Parameter[Any]]]:
        """Return its parameters, looked for once: Luigi asks five times for each of its tasks."""
        if (known := _PARAMETERS.get(cls)) is None:
            known = _PARAMETERS[cls] = super().get_params()
        return known

    @property
    def step(self) -> str:
        """What it does, for reports."""
        raise TypeError(f"{type(self).__name__} does nothing")

    @property
    def counter_name(self) -> str:
        """What its progress is noted under."""
        return str(self.task_id)

    @cached_property  # each step of a task asks for it
    def folder(self) -> Location:
        """The output folder."""
        return storage.parse(str(self.out))

    def make(self) -> Volume | None:
        """Make the product; return what was handled, or None where that was noted (`note`)."""
        raise TypeError(f"{type(self).__name__} makes nothing")

    def on_failure(self, exception: BaseException) -> str:  # noqa: ARG002 - Luigi's own
        """Return for Luigi's pages and e-mail why the task failed."""
        return plainlogs.indented(f"Runtime error:\n{traceback.format_exc()}")

    def run(self) -> None:
        """Make the product unless it is there: after a takeover Luigi does not ask again."""
        with self.carrying_out():
            if self.complete():
                return
            start = time.time()
            volume = self.make()
            if volume is not None:
                self.note(str(self), start, volume)

    @contextlib.contextmanager
    def carrying_out(self) -> Iterator[None]:
        """Do what the task does in this context, which shares the output and records failures."""
        die_with_worker()
        show_as(self.step)
        report(BEGUN)
        lock = paths.run_lock(self.folder)
        with (
            ending_for_good(),
            self._recording_failure(),
            saying_waits(self),
            storage.shared_lock(lock),
        ):
            storage.renew(after_s=LOOK_AGAIN_S)
            yield

    def note(self, name: str, start: float, volume: Volume, step: str = "") -> None:
        """Note what was handled since a time, in seconds since the epoch, until now.

        Args:
            name: of what.
            start: the time.
            volume: how much that was.
            step: what was done; "": the step of the task.
        """
        step, now = step or self.step, time.time()
        timing = progress.Timing(step, name, start, now, volume.images, volume.bytes)
        progress.note(self.folder, run_name(), timing)

    @contextlib.contextmanager
    def counter(self, total: int, unit: str, name: str = "") -> Iterator[ProgressReporter]:
        """Report progress to the command and to Luigi's visualiser.

        Args:
            total: how much is to be done.
            unit: of what.
            name: what it is noted under; "": `counter_name`.
        """
        reporter = ProgressReporter(self, name or self.counter_name, total, unit)
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


_PARAMETERS: Final[dict[type[luigi.Task], list[tuple[str, luigi.Parameter[Any]]]]] = {}


class Volume:
    """What a task handled, for rates: images and bytes."""

    def __init__(self, images: int = 0, size: int = 0) -> None:
        self.images = images
        self.bytes = size
