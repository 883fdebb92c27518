"""Every source, a line each: which of them the options of a job mean."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from pipeline.job.options import Job
from pipeline.sources.data_set import DataSet
from pipeline.sources.ilsvrc2012.configured import ConfiguredSet
from pipeline.sources.imagelist.listed import ListedSet
from pipeline.sources.kept_files import KeptFiles, Originals, Placeholders, Unneeded
from pipeline.sources.listed_archive import ListedArchive
from pipeline.sources.openimages.data_set import OpenImagesSet
from pipeline.sources.shardset.data_set import ShardSet
from pipeline.storage import Location

SOURCES: Final[tuple[type[DataSet], ...]] = (
    OpenImagesSet,
    ShardSet,
    ListedArchive,
    ListedSet,
    ConfiguredSet,
)
"""Every kind of data set; a job means the first that says so."""


def data_set(job: Job, taken: Iterable[str] = ()) -> DataSet:
    """Return the data set of a job; of its images nothing is looked at.

    Args:
        job: the job.
        taken: names in the output that no folder of a split may have.

    Raises:
        ConfigError: the configuration cannot be understood.
        UsageError: the name that is given is none for files, or there is more than one split.
    """
    return next(kind for kind in SOURCES if kind.is_meant(job)).of(job, taken)


def lists_files(job: Job) -> bool:
    """Whether files of a job may be read one by one before all else; nothing is looked at."""
    return next(kind for kind in SOURCES if kind.is_meant(job)).lists_files


def kept_files(out: Location) -> Iterator[KeptFiles]:
    """Yield the files that sources keep in an output folder, as they were written."""
    for kind in SOURCES:
        yield from kind.kept_files(out)


def originals(jobs: Sequence[Job], out: Location) -> Iterator[Originals]:
    """Yield those of these files that came from a bucket, by the keys of the last of some jobs.

    Raises:
        ConfigError: what says how keys are spelled cannot be read.
    """
    for kind in SOURCES:
        meant = [job for job in jobs if kind.is_meant(job)]
        if meant:
            yield from kind.originals(meant[-1], out)


def unneeded(out: Location, selections: Collection[str]) -> Iterator[Unneeded]:
    """Yield the files that sources keep and that none of some selections needs."""
    for kind in SOURCES:
        yield from kind.unneeded(out, selections)


def own_names(out: Path, like: Placeholders) -> Iterator[Path]:
    """Yield how the files are called that sources leave in an output folder themselves."""
    for kind in SOURCES:
        yield from kind.own_names(out, like)


def own_folders() -> list[str]:
    """Return the folders of an output that hold such files, beside that of the state."""
    return sorted({name for kind in SOURCES for name in kind.own_folders})


def download_folders() -> list[str]:
    """Return the folders of an output that input is fetched into, where no other is named."""
    return sorted({name for kind in SOURCES for name in kind.download_folders})


def split_names(job: Job) -> tuple[str, ...]:
    """Return the names of the splits that a job can be about.

    Raises:
        ConfigError: see `data_set`.
        UsageError: see `data_set`.
    """
    return job.splits or tuple(data_set(job).splits)
