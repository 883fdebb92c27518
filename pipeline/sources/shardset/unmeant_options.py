"""Options of lists and folders, which mean nothing for shards or archives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

from pipeline import storage
from pipeline.archives.parquet_names import is_parquet
from pipeline.errors import UsageError, abbreviate
from pipeline.job.options import Job

_SHOWN: Final = 3


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
    if job.packed and storage.parse(job.out) == storage.parse(job.images):
        raise UsageError(
            "the output would lie in the folder of the shards that it is made of",
            file=job.out,
            expected="another folder",
            remedy="choose another --out",
        )


def check_of_shards(job: Job, splits: Iterable[Iterable[str]]) -> None:
    """Check that no column of the labels is named where no shard has columns of any name.

    Args:
        job: the job.
        splits: the shards of each split.

    Raises:
        UsageError: one is.
    """
    if job.label_column == Job.label_column or any(map(is_parquet, chain.from_iterable(splits))):
        return
    raise UsageError(
        "--label-column is of lists whose columns have names, and of Parquet files",
        file=job.images,
        expected="a Parquet file" if job.packed else "a list or a Parquet file",
        remedy="leave it out",
    )


def check_of_output(job: Job, splits: Sequence[str]) -> None:
    """Check that nothing is asked of a finished output that its catalog says already.

    Args:
        job: the job.
        splits: the names of its splits.

    Raises:
        UsageError: it is.
    """
    if job.name:
        raise UsageError(
            "the splits of a finished output keep their names",
            file=job.images,
            expected="no --name",
            found=f"--name {job.name}",
            remedy=f"leave --name out; --split chooses among {abbreviate(splits, _SHOWN)}",
        )
    if job.label_column != Job.label_column:
        raise UsageError(
            "the images of a finished output keep their labels",
            file=job.images,
            expected="no --label-column",
            found=f"--label-column {job.label_column}",
            remedy="leave it out; or prepare anew what the output was made of",
        )
