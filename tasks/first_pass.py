"""The steps that come first where a configuration leaves out what its archives hold."""

from __future__ import annotations

from typing import Any

import luigi

from pipeline import digests, storage
from pipeline.job.options import Job
from pipeline.sources.inputs import Archive
from pipeline.state import first_pass
from tasks.base import JobTask, Volume


class RecordArchive(JobTask):
    """One archive is read, and its MD5 and the number of its images are recorded."""

    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of what is asked for")
    archive: luigi.Parameter[str] = luigi.Parameter(description="published file name")

    step = "verify"

    @property
    def counter_name(self) -> str:
        """What its progress is noted under."""
        return str(self.archive)

    def complete(self) -> bool:
        """Whether nothing of it is left out any more."""
        return self._left() is None

    def make(self) -> Volume:
        """Read the archive once."""
        left = self._left()
        if left is None:
            return Volume()
        info = storage.stat(first_pass.place(self.job, left))
        with self.counter(info.size if info else 0, "bytes") as progress:
            return Volume(size=first_pass.read(self.job, left, progress))

    def _left(self) -> Archive | None:
        left = first_pass.unread(self.job)
        return next((each for each in left if each.file == self.archive), None)


class RecordArchives(JobTask):
    """Every archive of a job is read of which the configuration leaves something out."""

    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of what is asked for")

    step = "verify"

    def requires(self) -> list[RecordArchive]:
        """Return a task for each archive that is not read yet."""
        shared: dict[str, Any] = {"out": self.out, "digest": self.digest, "job": self.job}
        return [RecordArchive(archive=each.file, **shared) for each in first_pass.unread(self.job)]

    def complete(self) -> bool:
        """Whether all of them are read."""
        return not first_pass.unread(self.job)


def record_task(job: Job) -> RecordArchives:
    """Return the root of the first pass of a job."""
    return RecordArchives(out=job.out, digest=digest(job), job=job)


def digest(job: Job) -> str:
    """Return a digest of what a job asks for: of its archives nothing is known yet."""
    return digests.digest({"job": job.to_json()})
