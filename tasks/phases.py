"""What a command has its workers do: read or collect what is to be prepared, or prepare it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Final

import luigi

from pipeline import digests, paths, storage
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.state import cleaning, first_pass
from tasks import first_pass as first_pass_tasks
from tasks.openimages import collect
from tasks.prepare import is_complete
from tasks.roots import prepare_task


class Phase(ABC):
    """A part of a command that workers carry out.

    Attributes:
        name: how a worker is told of it.
        tries_again: whether a task that has failed is worth another worker: else it has tried
            often enough itself.
    """

    name: ClassVar[str]
    tries_again: ClassVar[bool] = True

    @abstractmethod
    def digest(self, job: Job) -> str:
        """Return a digest of what is to be done: a worker that comes to another refuses."""

    @abstractmethod
    def root(self, job: Job) -> luigi.Task:
        """Return the task that requires all others."""

    @abstractmethod
    def is_complete(self, job: Job) -> bool:
        """Return whether everything is there: the truth for an exit status."""

    @abstractmethod
    def sweep(self, job: Job) -> None:
        """Remove what dead processes have left half written."""


class _Preparing(Phase):
    name = "preparing"

    def digest(self, job: Job) -> str:
        return resolve(job).digest

    def root(self, job: Job) -> luigi.Task:
        return prepare_task(job)

    def is_complete(self, job: Job) -> bool:
        return is_complete(job)

    def sweep(self, job: Job) -> None:
        cleaning.sweep(resolve(job))


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
        return not first_pass.unread(job)

    def sweep(self, job: Job) -> None:
        folder = paths.archive_index(job.folder, "").parent
        if storage.reachable(job.folder, folder):
            for temp in cleaning.stale(job.folder, storage.temp_files(folder)):
                storage.remove_temp(temp.temp, temp.plan)


PREPARING: Final[Phase] = _Preparing()
COLLECTING: Final[Phase] = _Collecting()
RECORDING: Final[Phase] = _Recording()
PHASES: Final = {phase.name: phase for phase in (PREPARING, COLLECTING, RECORDING)}
