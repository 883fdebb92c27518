"""What the steps of collecting share: what the job collects, and when its command began."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import luigi

from pipeline import storage
from pipeline.sources.openimages.collection import Collection, collection_of
from tasks.base import JobTask

_BEGAN = "SHARDMILL_BEGAN"


class CollectTask(JobTask):
    """A step of collecting."""

    @property
    def collection(self) -> Collection:
        """What the job collects; this process reaches remote places as the job says."""
        storage.use(self.job.remote)
        return collection_of(self.job)

    @property
    def shared(self) -> dict[str, Any]:
        """The parameters that the tasks of a job share."""
        return {"out": self.out, "job": self.job}


class SplitStep(CollectTask):
    """A step of collecting one split; `digest` names what is wanted, or selected."""

    split: luigi.Parameter[str] = luigi.Parameter(description="name of the split")
    digest: luigi.Parameter[str] = luigi.Parameter(description="digest of the request or selection")


def begin() -> None:
    """Note that a command begins now: it asks again for nothing that it has asked for itself."""
    os.environ[_BEGAN] = datetime.now(UTC).isoformat(timespec="microseconds")


def began() -> str:
    """Return when the command began whose tasks are run here, as `ImageGroupMark.asked` has it."""
    if _BEGAN not in os.environ:
        begin()
    return os.environ[_BEGAN]
