"""Copies archives of a store or web server into a folder of this host, each verified on the way.

An archive is transferred once. It appears in the stage folder under its own name when its MD5 is
right, and is read there from then on. What is there of it when a process is killed is gone on with,
as a download by ``shardmill fetch`` is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from pipeline import storage
from pipeline.archives.index import VerifiedArchive, verify_only
from pipeline.archives.passage import Passage
from pipeline.errors import ArchiveRefused, EnvironmentRefused, NoSpace, Vanished
from pipeline.job.resolve import ResolvedJob
from pipeline.sources.inputs import Archive
from pipeline.state import fetched
from pipeline.state import raw_archives as rawarchives
from pipeline.state.fetch_plan import FetchPlan
from pipeline.state.fetching import other_file
from pipeline.storage import remote, scratch
from pipeline.storage.http.fetch.file import FileFetch, Pinned
from pipeline.storage.http.fetch.leftovers import clear, present
from pipeline.storage.http.fetch.session import Session
from pipeline.storage.local.listing import free_bytes

CONNECTIONS: Final = 8
"""How many parts of an archive are under way at a time, at the most."""
_MORE_ROOM: Final = "free some space, choose another --stage, or say --stage none"


def means(
    resolved: ResolvedJob, tell: Callable[[int, int | None], None], say: Callable[[str], None]
) -> Session:
    """Return what a copy is fetched with in this process.

    Args:
        resolved: the job.
        tell: told how many bytes are there, and of how many; None: that is not known.
        say: told what a person should know.
    """
    connections = min(CONNECTIONS, resolved.job.remote.in_flight)
    return Session(remote.transfer(), connections, tell=tell, say=say)


def stage(
    resolved: ResolvedJob,
    archive: Archive,
    tools: Session,
    work: Callable[[Passage], VerifiedArchive],
) -> VerifiedArchive | None:
    """Have an archive in the stage folder; return what was found in it on the way.

    Another process that copies the same archive is waited for.

    Args:
        resolved: the job.
        archive: the archive.
        tools: see `means`.
        work: reads the archive while it arrives; called again where it is begun anew.

    Returns:
        None: a file is there already, to be read.

    Raises:
        ArchiveRefused: the archive is another one than it should be, or cannot be read.
        InputRefused: the server has none, or does not give it out.
        TransientError: the server failed at every try; what has arrived is kept.
        NoSpace: there is too little room.
        OutputConflict: another archive of that name was copied there.
    """
    target = storage.on_this_machine(resolved.raw_file(archive))
    scratch.close_around(target)
    with storage.target_lock(target):
        if not fetched.must_be_fetched(target, archive):
            return None
        storage.remove(target.parent, target)  # it has changed since it was copied
        download = FileFetch(target, _pinned(archive), tools, work)
        try:
            outcome = download.run(_plan(resolved, archive).places(_at_raw(archive)))
        except NoSpace as error:
            raise error.altered(remedy=_MORE_ROOM) from error
        finally:
            download.close()
        info = storage.stat(target)
        if info is None:
            raise Vanished("the copy of an archive was moved away", file=str(target))
        fetched.record(target, archive, download.source, info)
        clear(target, tools.say)
    if outcome.result is None:
        raise outcome.error or AssertionError("the work on a download came to nothing")
    return replace(outcome.result, info=info)


def discard_damaged(resolved: ResolvedJob, archive: Archive) -> bool:
    """Remove the copy of an archive if its bytes are not those that were copied.

    Such bytes went bad on the disk: the copy looks as it did when its MD5 was right. It is read
    to know that. A file that was not copied by shardmill is never removed.

    Args:
        resolved: the job.
        archive: the archive, of which a copy was refused.

    Returns:
        Whether it is to be copied again.

    Raises:
        ShardmillError: the copy cannot be read or removed.
    """
    target = storage.on_this_machine(resolved.raw_file(archive))
    with storage.target_lock(target):  # another process may have copied it again meanwhile
        if not fetched.is_own(target, archive):
            return fetched.must_be_fetched(target, archive)
        try:
            verify_only(target, expected_md5=archive.md5, expected_size=archive.bytes)
        except ArchiveRefused:
            storage.remove(target.parent, target)
            return True
    return False


def bytes_to_stage(resolved: ResolvedJob, needed: Iterable[Archive]) -> int:
    """Return how many bytes are still to be copied of the archives that a job needs."""
    ahead = [each for each in needed if rawarchives.is_to_be_staged(resolved, each)]
    return sum(_missing_bytes(resolved, archive) for archive in ahead)


def check_room(resolved: ResolvedJob, needed: Iterable[Archive], to_write: int) -> None:
    """Check that archives can be copied into the stage folder.

    Args:
        resolved: the job.
        needed: the archives that it is still to read.
        to_write: bytes that will be written into the output folder.

    Raises:
        EnvironmentRefused: the stage folder lies in memory.
        NoSpace: there is too little room.
    """
    folder = Path(resolved.job.remote.stage_folder)
    missing = bytes_to_stage(resolved, needed)
    if storage.is_in_memory(folder):
        raise EnvironmentRefused(
            "archives cannot be copied into memory",
            file=str(folder),
            expected="a folder on a disk",
            found="a tmpfs",
            remedy="choose another folder with --stage, or say --stage none",
        )
    beside = to_write if storage.on_one_file_system(folder, resolved.out) else 0
    free = free_bytes(folder)
    if missing and missing + beside > free:
        raise NoSpace(
            "too little space for the copies of the archives",
            file=str(folder),
            expected=f"{missing + beside:,} bytes free"
            + (f", {beside:,} of them for what will be written" if beside else ""),
            found=f"{free:,} bytes free",
            remedy=_MORE_ROOM,
        )


def _missing_bytes(resolved: ResolvedJob, archive: Archive) -> int:
    """Return how many bytes of an archive are not there yet."""
    info = storage.stat_whole(resolved.origin / archive.file)
    size = info.size if info else (archive.bytes or 0)
    target = storage.on_this_machine(resolved.raw_file(archive))
    return max(0, size - present(target))


def _plan(resolved: ResolvedJob, archive: Archive) -> FetchPlan:
    folder = storage.on_this_machine(resolved.raw)
    mirrors = (resolved.job.raw,)
    return FetchPlan(folder, (archive,), mirrors=mirrors, remote=resolved.job.remote)


def _at_raw(archive: Archive) -> Archive:
    """Return the archive as one that the configuration has no address of."""
    return replace(archive, url="")


def _pinned(archive: Archive) -> Pinned:
    return Pinned(archive.file, archive.md5, archive.bytes, other_file)
