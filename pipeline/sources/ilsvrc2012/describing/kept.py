"""What is kept of archives that were read, so that a command that was killed goes on.

It lies in this user's cache, because the folder of the archives may be read-only: a listing and
its mark for each archive, known by its path, its size and its time of change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import digests, manifest, storage
from pipeline.archives.brokentar import BrokenTar
from pipeline.archives.index import ArchiveIndex
from pipeline.archives.passage import Progress
from pipeline.archives.tar import READER_VERSION
from pipeline.documents.described import ListedArchive
from pipeline.errors import ShardmillError, Vanished, from_record
from pipeline.sources.ilsvrc2012.describing.listing import SCHEMA, Listed, list_archive
from pipeline.storage import FileInfo
from pipeline.storage.local import userfolders

_VERSION: Final = 1
_FOLDER: Final = "described"


@dataclass(frozen=True)
class ReadArchive:
    """An archive that was read from its first byte to its last.

    Attributes:
        path: where it lies.
        size: bytes.
        md5: 32 lower-case hex digits.
        refusal: why it cannot be read to its end as a tar; None: it can.
        broken: nested tars that cannot be read.
        listing: where its members are listed, see `listing.SCHEMA`.
    """

    path: Path
    size: int
    md5: str
    refusal: ShardmillError | None
    broken: tuple[BrokenTar, ...]
    listing: Path

    def members(self) -> ArchiveIndex:
        """Return its members, in parts."""
        return ArchiveIndex(self.listing, SCHEMA)


def read(archive: Path, progress: Progress) -> ReadArchive:
    """Return what is in an archive; it is read where it was not before, or has changed since.

    Args:
        archive: a plain tar.
        progress: told the bytes read so far, where it is read.

    Raises:
        ArchiveMissing: it is gone.
        TransientError: it changed while it was read.
        UsageError: this user has no folder for what is kept.
        ShardmillError: that folder cannot be written.
    """
    info, placed = storage.stat(archive), storage.placed(archive)
    if info is None:
        raise Vanished("the archive is gone", file=str(archive))
    mark = _mark(archive, info, placed)
    known = manifest.read_complete(mark, mark.parent, ListedArchive)
    if known is None or known.path != str(archive):
        storage.sweep_temps(mark.parent)
        _read(archive, mark, progress)
        known = manifest.read(mark, ListedArchive)
    refusal = None if known.refusal is None else from_record(known.refusal)
    broken = tuple(map(BrokenTar.recorded, known.broken))
    return ReadArchive(archive, known.size, known.md5, refusal, broken, _listing(mark))


def _read(archive: Path, mark: Path, progress: Progress) -> None:
    progress(0)
    with storage.StagedFile(_listing(mark)) as staged:
        listed = list_archive(archive, staged, progress)
        manifest.publish([staged], mark, mark.parent, _document(archive, listed))


def _document(archive: Path, listed: Listed) -> manifest.Document:
    return {
        "path": str(archive),
        "size": listed.read.info.size,
        "md5": listed.read.md5,
        "refusal": None if listed.refusal is None else listed.refusal.to_record(),
        "broken": [tar.to_json() for tar in listed.broken],
    }


def _mark(archive: Path, info: FileInfo, placed: str) -> Path:
    known = {
        "path": str(archive),
        "placed": placed,
        "reader": READER_VERSION,
        "size": info.size,
        "stamp": info.stamp,
        "version": _VERSION,
    }
    kept = userfolders.cache("XDG_CACHE_HOME: a folder for what may be made again") / _FOLDER
    return kept / f"{digests.digest(known)}.json"


def _listing(mark: Path) -> Path:
    return mark.with_suffix(".parquet")
