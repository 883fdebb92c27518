"""Refused archives, remembered: a file that was read to its end and refused is not read again.

A record lies beside the marks of verified archives, named after the file's size and time. A file
that was touched, replaced or restored (see `storage.placed`), another MD5 in the configuration and
``--replace`` have it read again.
"""

from __future__ import annotations

from pipeline import manifest, paths, storage
from pipeline.archives.tar import READER_VERSION
from pipeline.documents.records import ArchiveRefusal
from pipeline.errors import ArchiveRefused, from_record
from pipeline.sources.inputs import Archive
from pipeline.storage import Location


def remember(
    out: Location, file: Location, archive: Archive, refusal: ArchiveRefused, placed: str
) -> None:
    """Note that an archive was read to its end and refused.

    Args:
        out: folder of the output.
        file: the archive.
        archive: what it should be.
        refusal: why it is not.
        placed: what `storage.placed` said of the file before it was read.
    """
    path = _path(out, file, archive)
    if path is not None:
        document = {**_expected(archive), "refusal": refusal.to_record(), "placed": placed}
        manifest.publish_alone(path, document)


def recall(out: Location, file: Location, archive: Archive) -> ArchiveRefused | None:
    """Return why an archive was refused that looks as it did then; None: nothing is known.

    Args:
        out: folder of the output.
        file: the archive, which is not opened.
        archive: what it should be.
    """
    path = _path(out, file, archive)
    kept = None if path is None else manifest.read_undamaged(path, ArchiveRefusal)
    if kept is None or any(getattr(kept, k) != value for k, value in _expected(archive).items()):
        return None
    if kept.placed and kept.placed != storage.placed(file):
        return None
    known = from_record(kept.refusal)
    if not isinstance(known, ArchiveRefused):
        return None
    return ArchiveRefused(
        known.what,
        file=str(file),
        place=known.place,
        expected=known.expected,
        found=known.found,
        remedy=f"{known.remedy}. This was found when the file was read last; it has not been"
        " replaced or restored since, and was not read again: --replace, or to touch it, has it"
        " read",
    )


def _path(out: Location, file: Location, archive: Archive) -> Location | None:
    info = storage.stat_whole(file)
    if info is None or not info.stamp:  # nothing would tell that it was replaced
        return None
    return paths.archive_refusal(out, archive.file, info.look)


def _expected(archive: Archive) -> dict[str, object]:
    return {"md5": archive.md5, "size": archive.bytes, "reader": READER_VERSION}
