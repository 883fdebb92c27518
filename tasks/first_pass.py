"""The steps that come first where nothing can be planned: archives and shards are read."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import luigi

from pipeline import digests, storage
from pipeline.job.options import Job
from pipeline.sources.inputs import Archive
from pipeline.state import first_pass
from pipeline.state.first_listing import Listing, listing
from tasks.base import JobTask, Volume
from tasks.run.processes import run_name


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


class ListFiles(JobTask):
    """Some files of a source in a row are read, and what each holds is kept, one by one."""

    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of what is asked for")
    first: luigi.IntParameter = luigi.IntParameter(description="0-based number of the first one")
    stop: luigi.IntParameter = luigi.IntParameter(description="that of the last one, and one more")

    step = "read"

    def complete(self) -> bool:
        """Whether all of them are read, as they look now."""
        listed = _of_run(self.job, run_name())
        return listed is None or all(map(listed.is_done, listed.files[self.first : self.stop]))

    def make(self) -> Volume:
        """Read those that were not read yet."""
        listed, size = _of_run(self.job, run_name()), 0
        if listed is None:
            return Volume()
        for file in listed.files[self.first : self.stop]:
            if listed.is_done(file):
                continue
            length = listed.size(file)
            with self.counter(length, "bytes", file) as progress:
                listed.read(file, progress)
            size += length
        return Volume(size=size)


@lru_cache(maxsize=1)
def _of_run(job: Job, run: str) -> Listing | None:
    """Return the files that are read first, as they were when a command looked for them."""
    del run
    return listing(job)


class RecordArchives(JobTask):
    """All archives and files of a job are read that are read before anything is planned."""

    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of what is asked for")

    step = "verify"

    def requires(self) -> list[JobTask]:
        """Return a task for each archive that is not read yet, and for each group of files."""
        shared: dict[str, Any] = {"out": self.out, "digest": self.digest, "job": self.job}
        listed = _of_run(self.job, run_name())
        groups = listed.groups() if listed else []
        files = [ListFiles(first=first, stop=stop, **shared) for first, stop in groups]
        archives = first_pass.unread(self.job)
        return [*files, *(RecordArchive(archive=each.file, **shared) for each in archives)]

    def complete(self) -> bool:
        """Whether all of them are read."""
        return is_complete(self.job)


def is_complete(job: Job) -> bool:
    """Whether nothing of a job is to be read before it can be planned."""
    return not first_pass.unread(job) and listing(job) is None


def record_task(job: Job) -> RecordArchives:
    """Return the root of the first pass of a job."""
    return RecordArchives(out=job.out, digest=digest(job), job=job)


def digest(job: Job) -> str:
    """Return a digest of what a job asks for: of its archives nothing is known yet."""
    return digests.digest({"job": job.to_json()})
