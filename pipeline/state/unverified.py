"""What is made of an archive before its MD5 is known, and what becomes of that once it is.

Where a job verifies archives beside the shards (`ResolvedJob.verifies_beside`), an index is made
first by walking the headers of an archive; catalog and plan follow, and their marks say of which
index they were made (`CatalogMark.indexes`). They are whole only as long as that is the index of
the archive, the verified one as soon as there is one: `holds`. When an archive is verified,
`settle` makes of them what they would be had it been verified first, or removes them. When one is
refused, `discard` removes all that was made of it. What shards were made of is judged by
`pipeline.shards.unverified`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pipeline import manifest, paths, storage
from pipeline.archives.walk import WalkedArchive
from pipeline.documents.records import ArchiveMark, WalkedMark
from pipeline.documents.shards import ShardMark
from pipeline.documents.tables import CatalogMark, PlanMark
from pipeline.errors import InputRefused, NotVerifiedYet, ShardmillError, TransientError
from pipeline.job.resolve import ResolvedJob
from pipeline.job.split import SplitJob
from pipeline.manifest import FileEntry
from pipeline.sources.inputs import Archive
from pipeline.state import raw_archives
from pipeline.storage import FileInfo, Location, with_suffix

_INDEXES: Final = "indexes"
Table = TypeVar("Table", CatalogMark, PlanMark)


@dataclass(frozen=True)
class SeenArchives:
    """The archives of a split's images, as they looked when they were verified or walked.

    Attributes:
        infos: size and stamp of each, by file name.
        verified: whether all of them are verified.
    """

    infos: Mapping[str, FileInfo]
    verified: bool


def walked_mark(out: Location, archive: str) -> Location:
    """Return the path of the mark of an archive's walked index."""
    return with_suffix(paths.walked_index(out, archive), ".json")


def publish(out: Location, archive: str, walked: WalkedArchive, index: storage.StagedFile) -> None:
    """Publish the index of an archive that was walked, and the mark that says of which it is."""
    info = walked.info
    document = {"archive": walked.name, "size": info.size, "stamp": info.stamp}
    manifest.publish([index], walked_mark(out, archive), out, document)


def indexed(resolved: ResolvedJob, archive: Archive) -> ArchiveMark | WalkedMark | None:
    """Return the mark of an archive that is verified, or else was walked as it looks now.

    None: it is neither, or the job does nothing with what is not verified.
    """
    verified = raw_archives.verified(resolved, archive)
    if verified is not None or not resolved.verifies_beside:
        return verified
    mark = manifest.read_complete(walked_mark(resolved.out, archive.file), resolved.out, WalkedMark)
    info = storage.stat(resolved.raw_file(archive))
    return mark if mark is not None and mark.info == info else None


def indexes(resolved: ResolvedJob, split: SplitJob) -> dict[str, str]:
    """Return the xxh3-128 of the walked index of each archive that is not verified, by file name.

    Raises:
        TransientError: one was neither verified nor walked as it looks now.
    """
    seen = {archive.file: _indexed(resolved, archive) for archive in split.source.inputs}
    return {file: mark.index for file, mark in seen.items() if isinstance(mark, WalkedMark)}


def seen_images(resolved: ResolvedJob, split: SplitJob) -> SeenArchives:
    """Return how the archives of a split's images looked when they were verified or walked.

    Raises:
        TransientError: one has changed since.
    """
    seen = {archive.file: _indexed(resolved, archive) for archive in split.source.inputs}
    return SeenArchives(
        {file: mark.info for file, mark in seen.items()},
        all(isinstance(mark, ArchiveMark) for mark in seen.values()),
    )


def are_verified(resolved: ResolvedJob, archives: Iterable[str]) -> bool:
    """Whether archives of these file names are verified, as they look now."""
    known = _by_name(resolved)
    return all(
        name in known and raw_archives.verified(resolved, known[name]) is not None
        for name in archives
    )


def holds(resolved: ResolvedJob, made_of: Mapping[str, str]) -> bool:
    """Whether indexes of archives, by their file names, are those that these have now."""
    known = _by_name(resolved)
    marks = {name: indexed(resolved, known[name]) for name in made_of if name in known}
    found = {name: mark.index for name, mark in marks.items() if mark is not None}
    return found == made_of


def _by_name(resolved: ResolvedJob) -> dict[str, Archive]:
    """Return the archives that images of a job lie in: of others nothing is unverified."""
    splits = resolved.splits.values()
    return {archive.file: archive for split in splits for archive in split.source.inputs}


@contextlib.contextmanager
def waiting_for_md5(resolved: ResolvedJob, split: SplitJob) -> Iterator[None]:
    """Have what is wrong with an archive wait until its MD5 is known: it may be another archive.

    Raises:
        NotVerifiedYet: instead of an `InputRefused`, while an archive is not verified.
    """
    try:
        yield
    except InputRefused as error:
        if are_verified(resolved, (archive.file for archive in split.source.inputs)):
            raise
        raise not_known_yet(error) from error


def not_known_yet(error: InputRefused) -> NotVerifiedYet:
    """Return the error that something is wrong with what may not be the right archive."""
    return NotVerifiedYet(
        f"{error.what}; whether this is the right archive is not known yet",
        file=error.file,
        place=error.place,
        expected=error.expected,
        found=error.found,
        remedy="none: it is tried again when the MD5 of the archive is known",
    )


def settle(resolved: ResolvedJob) -> None:
    """Make catalogs and plans of archives that are verified by now what they would be without.

    Their marks say no more of which index they were made; what was made of another is removed.
    """
    out = resolved.out
    for mark in storage.documents(paths.catalog(out, "", "").parent):
        _settle(resolved, mark, CatalogMark)
    for mark in storage.documents(paths.plan(out, "", "").parent):
        _settle(resolved, mark, PlanMark)


def _settle(resolved: ResolvedJob, path: Location, kind: type[Table]) -> None:
    mark = manifest.read_undamaged(path, kind)
    if mark is None or not mark.indexes or not are_verified(resolved, mark.indexes):
        return
    if holds(resolved, mark.indexes):
        manifest.publish_without(path, _INDEXES)
    else:
        _remove(resolved.out, path, mark.files)


def sweep(resolved: ResolvedJob) -> None:
    """Remove the walked indexes of archives that are verified."""
    out = resolved.out
    for archive in resolved.archives:
        mark = walked_mark(out, archive.file)
        if storage.stat(mark) is not None and raw_archives.verified(resolved, archive) is not None:
            settle(resolved)
            storage.remove(out, mark)
            storage.remove(out, paths.walked_index(out, archive.file))


def discard_refused(
    resolved: ResolvedJob, failures: Iterable[ShardmillError], *, again: bool = False
) -> None:
    """Remove what was made of the archives that errors are about; see `discard`."""
    refused = {error.file for error in failures if isinstance(error, InputRefused)}
    for archive in resolved.archives:
        is_refused = str(resolved.raw_file(archive)) in refused
        if is_refused and raw_archives.verified(resolved, archive) is None:
            discard(resolved.out, archive.file, again=again)


def discard(out: Location, archive: str, *, again: bool = False) -> None:
    """Remove everything that was made of an archive which is not verified, and is refused.

    That it was walked is forgotten last: until then a later command goes on with this. Shards of
    an output that has a manifest stay: they were compared before it was written.

    Args:
        out: the output folder.
        archive: its published file name.
        again: look for it though nothing says that the archive was walked: who was writing a shard
            while it was removed before has published it since.
    """
    mark = walked_mark(out, archive)
    if not again and storage.stat(mark) is None:
        return
    for digest in storage.folders(paths.shard_marks(out, "")):
        for path in storage.documents(paths.shard_marks(out, digest)):
            _discard_shard(out, path, archive)
    for path in storage.documents(paths.plan(out, "", "").parent):
        _discard(out, path, PlanMark, archive)
    for path in storage.documents(paths.catalog(out, "", "").parent):
        _discard(out, path, CatalogMark, archive)
    storage.remove(out, paths.walked_index(out, archive))
    storage.remove(out, mark)


def _discard(out: Location, path: Location, kind: type[Table], archive: str) -> None:
    mark = manifest.read_undamaged(path, kind)
    if mark is not None and archive in mark.indexes:
        _remove(out, path, mark.files)
        _remove_empty(out, path.parent)


def _discard_shard(out: Location, path: Location, archive: str) -> None:
    mark = manifest.read_undamaged(path, ShardMark)
    if mark is None or mark.unverified is None or archive not in mark.unverified.archives:
        return
    folder = paths.output(out, mark.format, mark.split, mark.output)
    if storage.stat(paths.manifest(folder)) is not None:
        return
    _remove(out, path, mark.files)
    for entry in mark.files:
        _remove_empty(out, storage.below(out, entry.file).parent)


def _remove(out: Location, mark: Location, files: Iterable[FileEntry]) -> None:
    """Remove a mark, and then the files that it names."""
    storage.remove(out, mark)
    for entry in files:
        storage.remove(out, storage.below(out, entry.file))


def _remove_empty(out: Location, folder: Location) -> None:
    """Remove a folder below the output, and those above it, as far as nothing is in them."""
    while folder != out and isinstance(folder, Path) and storage.remove_empty(folder):
        folder = folder.parent


def _indexed(resolved: ResolvedJob, archive: Archive) -> ArchiveMark | WalkedMark:
    mark = indexed(resolved, archive)
    if mark is None:
        raise TransientError(
            "the archive was changed after it was verified",
            file=archive.file,
            remedy="leave it alone while a command is at work: it is verified again",
        )
    return mark
