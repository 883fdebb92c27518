"""Reads what a command needs for remote places at its start, as it imports its modules."""

from __future__ import annotations

import functools

from pipeline import storage
from pipeline.job.options import Job
from pipeline.storage import Location, RemoteOptions
from tasks.run.startup import importing


def preload(job: Job) -> None:
    """Reach remote places as a job says, and read what that takes: for the tasks that are forked.

    Raises:
        UsageError: boto3 cannot work as it is configured.
    """
    storage.use(job.remote)
    _preload(job.remote, tuple(job.places))


@functools.cache  # what is read already is not to be kept from the collector again
def _preload(options: RemoteOptions, places: tuple[Location, ...]) -> None:
    with importing():
        storage.preload(options, places)
