"""The base of the steps of ``shardmill report``."""

from __future__ import annotations

from typing import Any, TypeVar

import luigi

from pipeline import manifest
from pipeline.manifest import Sealed
from pipeline.report.survey import Survey, survey
from pipeline.storage import Location, StagedFile
from tasks.base import JobTask
from tasks.run.processes import is_of_command, run_name

Mark = TypeVar("Mark", bound=Sealed)


class ReportTask(JobTask):
    """A step of a report; `digest` is of everything that decides what the step makes."""

    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of what is made")

    step = "report"

    @property
    def survey(self) -> Survey:
        """What there is to show."""
        return surveyed(self.folder)

    @property
    def shared(self) -> dict[str, Any]:
        """The parameters that all tasks of a report have."""
        return {"out": self.out, "job": self.job}

    def mark(self) -> Location:
        """Return the path of its mark."""
        raise TypeError(f"{type(self).__name__} has no mark")

    def marked(self, kind: type[Mark]) -> Mark | None:
        """Return its mark; None: it is not made, or a file of it is gone."""
        return manifest.read_complete(self.mark(), self.folder, kind)

    def publish(self, staged: list[StagedFile], **document: object) -> int:
        """Publish files and then the mark that names them; return their bytes."""
        manifest.publish(staged, self.mark(), self.folder, {"digest": str(self.digest), **document})
        return sum(file.size for file in staged)


def surveyed(out: Location) -> Survey:
    """Return what there is to show of an output folder.

    A process that works for a command looks once, and those that it forks for tasks inherit what
    it saw: what is made is of the outputs that the digests of the tasks are of.
    """
    if not is_of_command():
        return survey(out)
    key = (run_name(), str(out))
    if key not in _SURVEYED:
        _SURVEYED.clear()
        _SURVEYED[key] = survey(out)
    return _SURVEYED[key]


_SURVEYED: dict[tuple[str, str], Survey] = {}
