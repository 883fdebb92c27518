"""The first pass over archives of which a configuration leaves something out.

Each is verified and indexed as it would be later, so that nothing is read twice, and what was left
out is recorded. Until that has ended nothing else of the job can be planned.
"""

from __future__ import annotations

from dataclasses import replace

from pipeline import manifest, paths, storage
from pipeline.archives import index
from pipeline.archives.brokentar import BrokenTar
from pipeline.archives.listings import Listings
from pipeline.archives.passage import Progress
from pipeline.documents.records import ArchiveMark
from pipeline.job import exports
from pipeline.job.options import Job
from pipeline.sources import registry
from pipeline.sources.data_set import DataSet
from pipeline.sources.inputs import NO_MD5, Archive
from pipeline.state import raw_archives as rawarchives
from pipeline.state import unpacked_archives
from pipeline.storage import Location


def unread(job: Job) -> tuple[Archive, ...]:
    """Return the archives that are to be read before anything of a job can be planned.

    Raises:
        ConfigError: the configuration cannot be understood.
        UsageError: the options cannot be met.
    """
    storage.use(job.remote)
    dataset = _data_set(job)
    return dataset.unread(job.splits or dataset.default_splits)


def changed(job: Job) -> tuple[Archive, ...]:
    """Return the archives that look otherwise than when they were read, and are not read again.

    Those are of an MD5 that the configuration leaves out, in a job that does not say `update`.
    """
    known = {archive.file for archive in unread(job)}
    again = unread(replace(job, update=True))
    return tuple(archive for archive in again if archive.file not in known)


def place(job: Job, archive: Archive) -> Location:
    """Return where an archive is read: a copy on this host is made later, of what it is then."""
    return storage.parse(job.raw) / archive.published


def read(job: Job, archive: Archive, progress: Progress) -> int:
    """Read an archive, unless it is verified already, and record it; return how many bytes.

    Args:
        job: the job.
        archive: one of `unread`.
        progress: told the bytes read so far.

    Raises:
        ArchiveMissing: it is not there.
        ArchiveRefused: it is not what the configuration says, cannot be read, or holds what the
            layout of a split does not allow.
        TransientError: it changed while it was read.
    """
    mark = _verified(job, archive)
    if mark is None:
        mark = _verify(job, archive, progress)
    for broken in mark.broken:
        raise BrokenTar.recorded(broken).refusal
    _data_set(job).record(archive, mark.md5)
    return mark.size


def _verified(job: Job, archive: Archive) -> ArchiveMark | None:
    """Return the mark of an archive that was read and looks as it did then."""
    raw = storage.parse(job.raw)
    info = storage.stat(raw / archive.file)
    if info is None:
        return None
    if archive.packed and unpacked_archives.is_pending(storage.on_this_machine(raw), archive):
        return None
    path = paths.archive_mark(job.folder, archive.file, info.look)
    mark = manifest.read_complete(path, job.folder, ArchiveMark)
    return mark if mark is not None and archive.md5 in {NO_MD5, mark.md5} else None


def _verify(job: Job, archive: Archive, progress: Progress) -> ArchiveMark:
    source, out = place(job, archive), job.folder
    md5 = None if archive.md5 == NO_MD5 else archive.md5
    with Listings(rawarchives.listing_paths(out, archive.file)) as listings:
        if archive.packed:
            found = unpacked_archives.verify(
                storage.on_this_machine(source.parent),
                archive,
                listings.begun(),
                progress,
                unpacked_archives.Checks(lambda _member: None, lambda _tar: None),
            )
        elif archive.is_plain:
            found = index.verify_and_index(
                source,
                *listings.begun(),
                expected_md5=md5,
                expected_size=archive.bytes,
                nested=True,
                progress=progress,
                check_broken=lambda _tar: None,
            )
        else:
            found = index.verify_only(
                source, expected_md5=md5, expected_size=archive.bytes, progress=progress
            )
        rawarchives.publish(out, archive.file, found, listings.files)
    path = paths.archive_mark(out, archive.file, found.info.look)
    return manifest.read(path, ArchiveMark)


def _data_set(job: Job) -> DataSet:
    return registry.data_set(job, exports.taken_names())
