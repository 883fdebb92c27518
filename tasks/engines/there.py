"""What a process of an engine on another host does: it writes a shard, and says where it failed.

It is told a job, a split and a number, and nothing else: images are read, and shards published, by
this host itself, with the credentials that it has.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Final

from pipeline import paths, storage
from pipeline.errors import (
    ArchiveMissing,
    EnvironmentRefused,
    NotCollected,
    ShardmillError,
    out_of_memory,
)
from pipeline.job.resolve import resolve
from pipeline.shards import work
from pipeline.shards.work import ShardWork

_ALONE: Final = threading.Lock()
_LOOK_AGAIN_S: Final = 5.0
"""For how long the listing of a store is taken for new."""


def write_there(job: str, split: str, shard: int) -> int:
    """Write a shard on this host, unless it is there; return how many images were written.

    One is written at a time in a process: if it has more threads, they wait for each other.

    Args:
        job: see `work.request`.
        split: name of the split.
        shard: number of the shard.

    Raises:
        ShardmillError: it cannot be written; the host is named.
    """
    with _ALONE, _naming_this_host():
        of_split = _works(job)[split]
        storage.renew(after_s=_LOOK_AGAIN_S)
        made = of_split.make(shard)
        of_split.confirm([made])
        return made.images


@contextmanager
def _naming_this_host() -> Iterator[None]:
    """Have errors in this context name the host."""
    try:
        yield
    except (ShardmillError, MemoryError) as error:
        known = error if isinstance(error, ShardmillError) else out_of_memory(error)
        raise known.altered(what=f"on {storage.this_process().host}: {known.what}") from error


@lru_cache(maxsize=1)
def _works(request: str) -> Mapping[str, ShardWork]:
    """Return the work of a request, known anew for each command, if this host can do it."""
    resolve.cache_clear()  # what an earlier command has found may have changed
    try:
        works = work.works(request)
    except NotCollected as error:
        raise error.altered(remedy=_SAME) from error
    for each in works.values():
        _check_seen(each)
    return works


def _check_seen(of_split: ShardWork) -> None:
    """Check that this host sees what the command sees: its output, and the archives.

    Raises:
        EnvironmentRefused: it does not see the plan.
        ArchiveMissing: it does not see an archive.
    """
    resolved, split = of_split.resolved, of_split.split
    plan = paths.plan_mark(resolved.out, split.name, split.plan_digest)
    if storage.stat(plan) is None:
        what = "the plan of the shards is not there, so this is another output folder"
        raise EnvironmentRefused(what, file=str(plan), remedy=_SAME)
    for archive in split.source.inputs:
        place = resolved.raw_file(archive)
        if storage.stat(place) is None:
            raise ArchiveMissing("the archive is not there", file=str(place), remedy=_SAME)


_SAME: Final = "give this host the same folders, by the same paths, as the command has; or s3://"
