"""The base of every task: its job, its failure record, its progress, and a clean end."""

from __future__ import annotations

import contextlib
import json
import logging
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Final, Self

import luigi
from luigi.parameter import ParameterVisibility

from pipeline import paths, storage
from pipeline.errors import ShardmillError, out_of_memory
from pipeline.job.artifacts import Artifact
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.manifest import Sealed
from pipeline.state import inventory, progress
from pipeline.storage import Location
from tasks.reporting import ProgressReporter
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


class DocumentTarget(luigi.Target):
    """A manifest or mark: it exists when it parses and `find` says that its files are there."""

    def __init__(self, path: Location, find: Callable[[], Sealed | None]) -> None:
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

    makes: ClassVar[str] = ""
    """The kind of artifact that it makes, or its `Artifact.maker`."""
    document_kind: ClassVar[type[Sealed]]
    """What its mark is decoded into."""

    @classmethod
    def get_params(cls) -> list[tuple[str, luigi.Parameter[Any]]]:
        """Return its parameters, looked for once: Luigi asks five times for each of its tasks."""
        if (known := _PARAMETERS.get(cls)) is None:
            known = _PARAMETERS[cls] = super().get_params()
        return known

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "makes" in cls.__dict__:
            MAKERS[cls.makes] = cls

    @classmethod
    def of(cls, resolved: ResolvedJob, artifact: Artifact) -> list[Self]:
        """Return the tasks that make an artifact for a job: one, or one for each of its parts."""
        return [cls(out=resolved.job.out, job=resolved.job, **cls.named(artifact))]

    @classmethod
    def named(cls, artifact: Artifact) -> dict[str, Any]:
        """Return the parameters that name an artifact."""
        raise TypeError(f"{cls.__name__} does not make {artifact.name}")

    @property
    def artifact_name(self) -> str:
        """The name of the artifact that it makes, in its job."""
        raise TypeError(f"{type(self).__name__} makes nothing")

    @property
    def artifact(self) -> Artifact:
        """The artifact that it makes, or makes a part of."""
        return self.resolved.graph[self.artifact_name]

    @property
    def step(self) -> str:
        """What it does, for reports."""
        return self.artifact.step

    def requires(self) -> list[ShardmillTask]:
        """Return the tasks that make what the artifact needs."""
        return tasks_of(self.resolved, self.artifact.needs)

    def needed(self, kind: str) -> list[ShardmillTask]:
        """Return those of the tasks before this one that make artifacts of a kind."""
        graph = self.resolved.graph
        names = [need for need in self.artifact.needs if graph[need].kind == kind]
        return tasks_of(self.resolved, names)

    @property
    def folder(self) -> Location:
        """The output folder."""
        return storage.parse(str(self.out))

    @property
    def resolved(self) -> ResolvedJob:
        """The job with its digests."""
        return resolve(self.job)

    def mark(self) -> Location:
        """Return the path of the document that is written last."""
        mark = self.artifact.mark
        if mark is None:
            raise TypeError(f"{type(self).__name__} has no mark")
        return mark

    def document(self) -> Sealed | None:
        """Return that document if the product is complete, else None."""
        return inventory.document(self.resolved, self.artifact)

    def invalidate(self) -> None:
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
        lock = paths.run_lock(self.folder)
        with ending_for_good(), self._recording_failure(), storage.shared_lock(lock):
            storage.renew(after_s=LOOK_AGAIN_S)
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

MAKERS: Final[dict[str, type[ShardmillTask]]] = {}
"""The task that makes each kind of artifact: filled where each is defined."""


def tasks_of(resolved: ResolvedJob, names: Iterable[str]) -> list[ShardmillTask]:
    """Return the tasks that make the artifacts of these names for a job."""
    artifacts = [resolved.graph[name] for name in names]
    makers = [MAKERS[artifact.maker or artifact.kind] for artifact in artifacts]
    pairs = zip(makers, artifacts, strict=True)
    return [task for maker, artifact in pairs for task in maker.of(resolved, artifact)]


class Volume:
    """What a task handled, for rates: images and bytes."""

    def __init__(self, images: int = 0, size: int = 0) -> None:
        self.images = images
        self.bytes = size
