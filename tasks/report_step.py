"""The base of the steps of ``shardmill report``."""

from __future__ import annotations

from typing import Any, TypeVar

import luigi

from pipeline import manifest
from pipeline.manifest import Sealed
from pipeline.report.survey import Survey, survey
from pipeline.storage import Location, StagedFile
from tasks.base import JobTask

Mark = TypeVar("Mark", bound=Sealed)


class ReportTask(JobTask):
    """A step of a page; `digest` is of everything that the page shows."""

    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of the page")

    step = "report"

    @property
    def survey(self) -> Survey:
        """What there is to show."""
        return survey(self.folder)

    @property
    def shared(self) -> dict[str, Any]:
        """The parameters that all tasks of a page have."""
        return {"out": self.out, "digest": self.digest, "job": self.job}

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
