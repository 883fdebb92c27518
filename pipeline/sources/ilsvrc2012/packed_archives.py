"""Archives that are packed as a whole lie where they can be unpacked."""

from __future__ import annotations

from pipeline.errors import UsageError
from pipeline.job.options import Job
from pipeline.sources.ilsvrc2012.dataset import DatasetConfig
from pipeline.storage.location import is_address


def check(job: Job, config: DatasetConfig) -> None:
    """Check that packed archives of a job lie where they can be unpacked.

    Raises:
        UsageError: they lie at an address.
    """
    if job.tree or not is_address(job.raw):
        return
    for archive in (*config.archives.values(), *config.optional.values()):
        if archive.packed:
            raise UsageError(
                "an archive that is packed as a whole cannot be read at an address",
                file=f"{job.raw.rstrip('/')}/{archive.packed}",
                remedy="fetch it into a folder of this machine, `shardmill fetch --raw RAW --config"
                f" {job.config}`, and name that with --raw: it is unpacked there",
            )
