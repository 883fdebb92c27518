"""What a command has its workers do: read or collect what is to be prepared, or prepare it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

import luigi

from pipeline import digests, paths, storage
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.report import places
from pipeline.shards.part import Part, parse
from pipeline.sources import read_files
from pipeline.state import cleaning
from tasks import first_pass as first_pass_tasks
from tasks.elsewhere import PrepareElsewhere
from tasks.engines import parts
from tasks.openimages import collect
from tasks.parts import WritePart
from tasks.prepare import is_complete
from tasks.roots import prepare_task


class Phase(ABC):
    """A part of a command that workers carry out; as it stands, of a job that can be resolved.

    Attributes:
        tries_again: whether a task that has failed is worth another worker: else it has tried
            often enough itself.
    """

    tries_again: ClassVar[bool] = True

    @property
    @abstractmethod
    def name(self) -> str:
        """How a worker is told of it."""

    def digest(self, job: Job) -> str:
        """Return a digest of what is to be done: a worker that comes to another refuses."""
        return resolve(job).digest

    @abstractmethod
    def root(self, job: Job) -> luigi.Task:
        """Return the task that requires all others."""

    def is_complete(self, job: Job) -> bool:
        """Return whether everything is there: the truth for an exit status."""
        return is_complete(job)

    def sweep(self, job: Job) -> None:
        """Remove what dead processes have left half written."""
        cleaning.sweep(resolve(job))


class _Preparing(Phase):
    name = "preparing"

    def root(self, job: Job) -> luigi.Task:
        return prepare_task(job)


class _Collecting(Phase):
    name = "collecting"
    tries_again = False

    def digest(self, job: Job) -> str:
        return digests.digest({"job": job.to_json()})

    def root(self, job: Job) -> luigi.Task:
        return collect.collect_task(job)

    def is_complete(self, job: Job) -> bool:
        return collect.is_complete(job)

    def sweep(self, job: Job) -> None:
        collect.sweep(job)


class _Recording(Phase):
    name = "recording"

    def digest(self, job: Job) -> str:
        return first_pass_tasks.digest(job)

    def root(self, job: Job) -> luigi.Task:
        return first_pass_tasks.record_task(job)

    def is_complete(self, job: Job) -> bool:
        return first_pass_tasks.is_complete(job)

    def sweep(self, job: Job) -> None:
        out = job.folder
        folders = (paths.archive_index(out, "").parent, read_files.folder(out))
        cleaning.remove_stale(out, cleaning.temps_below(out, *folders))


@dataclass(frozen=True)
class Reporting(Phase):
    """The page of an output, of which nothing but its folder is asked.

    Attributes:
        distance: of duplicates, in bits; -1: they are not asked for.
    """

    # Its steps are imported where they are asked for: other commands begin without them.

    distance: int = -1

    @property
    def name(self) -> str:
        """How a worker is told of it."""
        return f"{_REPORTING}{self.distance}"

    def digest(self, job: Job) -> str:
        """Return the digest of the page."""
        from pipeline.report.survey import survey  # noqa: PLC0415

        storage.use(job.remote)  # a worker has reached nothing yet
        storage.watch(job.folder)
        return survey(job.folder).digest

    def root(self, job: Job) -> luigi.Task:
        """Return the task that requires all others."""
        from tasks.report import Report  # noqa: PLC0415
        from tasks.report_step import surveyed  # noqa: PLC0415

        digest = surveyed(job.folder).digest
        return Report(out=job.out, digest=digest, distance=self.distance, job=job)

    def is_complete(self, job: Job) -> bool:
        """Return whether the page is there, with its duplicates if they are asked for."""
        from pipeline.report import renewal  # noqa: PLC0415
        from pipeline.report.survey import survey  # noqa: PLC0415

        return renewal.is_complete(survey(job.folder), self.distance)

    def sweep(self, job: Job) -> None:
        """Remove what dead processes have left half written."""
        out = job.folder
        found = cleaning.temps_below(out, places.folder(out), places.all_marks(out))
        cleaning.remove_stale(out, found)


@dataclass(frozen=True)
class PartOf(Phase):
    """A part of the shards; when its own are there, it is complete.

    Attributes:
        part: which part.
    """

    part: Part

    @property
    def name(self) -> str:
        """How a worker is told of it."""
        return f"{_PART}{self.part}"

    def root(self, job: Job) -> luigi.Task:
        """Return the task that writes the part."""
        return WritePart(out=job.out, digest=self.digest(job), part=str(self.part), job=job)

    def is_complete(self, job: Job) -> bool:
        """Return whether its own shards are there."""
        return not parts.missing(resolve(job), self.part)


@dataclass(frozen=True)
class ByEngine(Phase):
    """Everything that a job asks for, with an engine that writes its shards on other hosts.

    Attributes:
        engine: its address.
    """

    engine: str

    @property
    def name(self) -> str:
        """How a worker is told of it."""
        return f"{_ENGINE}{self.engine}"

    def root(self, job: Job) -> luigi.Task:
        """Return the task that requires the shards, and has the rest made."""
        digest = self.digest(job)
        return PrepareElsewhere(out=job.out, digest=digest, engine=self.engine, job=job)


PREPARING: Final[Phase] = _Preparing()
COLLECTING: Final[Phase] = _Collecting()
RECORDING: Final[Phase] = _Recording()
_PART: Final = "part "
_ENGINE: Final = "engine "
_REPORTING: Final = "reporting "
_PHASES: Final = {phase.name: phase for phase in (PREPARING, COLLECTING, RECORDING)}


def named(name: str) -> Phase:
    """Return the phase that a worker is told of."""
    if name.startswith(_PART):
        return PartOf(parse(name.removeprefix(_PART), {}))
    if name.startswith(_ENGINE):
        return ByEngine(name.removeprefix(_ENGINE))
    if name.startswith(_REPORTING):
        return Reporting(int(name.removeprefix(_REPORTING)))
    return _PHASES[name]
