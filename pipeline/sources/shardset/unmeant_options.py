"""Options of lists and folders, which mean nothing for shards or archives."""

from __future__ import annotations

from pipeline import storage
from pipeline.archives.parquet_rows import is_parquet
from pipeline.errors import UsageError
from pipeline.job.options import Job


def check(job: Job) -> None:
    """Check that nothing is asked of shards or an archive that only a list or a folder gives.

    Raises:
        UsageError: it is.
    """
    unpacked = "leave it out; or unpack the archive, and name the folder or a list of what is in it"
    if job.shares:
        raise UsageError(
            "--split NAME=SHARE divides the images of a list or a folder",
            file=job.images,
            expected="a list or a folder",
            remedy=unpacked,
        )
    if not job.packed and storage.parse(job.root) != storage.parse(job.images).parent:
        raise UsageError(
            "--root is the folder that the paths of a list are relative to",
            file=job.images,
            expected="a list",
            found=f"--root {job.root}",
            remedy="leave it out",
        )
    if job.split_column or job.path_column != Job.path_column:
        raise UsageError(
            "--path-column and --split-column are of lists whose columns have names",
            file=job.images,
            expected="a list",
            remedy="leave them out",
        )
    if job.label_column != Job.label_column and not (job.packed or is_parquet(job.images)):
        raise UsageError(
            "--label-column is of lists whose columns have names, and of Parquet files",
            file=job.images,
            expected="a list or a Parquet file",
            remedy="leave it out",
        )
