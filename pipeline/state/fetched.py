"""What is recorded of an archive that was fetched: from where it came, and how it looked then.

The record is a small hidden document beside the archive. It is written when the MD5 was found to be
right, so that an archive that looks as it did then need not be read to be known.
"""

from __future__ import annotations

from pathlib import Path

from pipeline import manifest, storage
from pipeline.documents.records import FetchRecord
from pipeline.errors import OutputConflict
from pipeline.sources.inputs import Archive


def record_path(target: Path) -> Path:
    """Return where it is recorded how an archive looked when its MD5 was found to be right."""
    return target.with_name(f".{target.name}.fetched")


def record(target: Path, archive: Archive, url: str, info: storage.FileInfo) -> None:
    """Record where an archive came from, and how it looks; its MD5 is the right one."""
    document = {
        "archive": archive.file,
        "url": url,
        "md5": archive.md5,
        "size": info.size,
        "stamp": info.stamp,
    }
    manifest.publish_alone(record_path(target), document)


def is_recorded(target: Path, archive: Archive) -> bool:
    """Whether an archive is there, and looks as it did when its MD5 was found to be right."""
    info, known = storage.stat(target), _known(target)
    if info is None or known is None:
        return False
    return known.md5 == archive.md5 and _agrees(known, info)


def is_own(target: Path, archive: Archive) -> bool:
    """Whether an archive is there that was fetched from somewhere, and looks as it did then.

    One that somebody else has put there is not, also if its MD5 was found to be right.
    """
    known = _known(target)
    return known is not None and bool(known.url) and is_recorded(target, archive)


def must_be_fetched(target: Path, archive: Archive) -> bool:
    """Whether an archive is not there, or has changed since it was fetched.

    What somebody else has put there is not, also if it has changed since it was verified: reading
    it will show whether it is the right one.

    Raises:
        OutputConflict: another archive of that name was fetched there.
    """
    info, known = storage.stat(target), _known(target)
    if info is None:
        return True
    if known is None:
        return False
    if known.md5 == archive.md5:
        return bool(known.url) and not _agrees(known, info)
    raise OutputConflict(
        "another archive of this name was fetched into this folder",
        file=str(target),
        expected=f"MD5 {archive.md5}",
        found=f"MD5 {known.md5}",
        remedy="choose another folder with --stage",
    )


def _known(target: Path) -> FetchRecord | None:
    return manifest.read_undamaged(record_path(target), FetchRecord)


def _agrees(known: FetchRecord, info: storage.FileInfo) -> bool:
    return (known.size, known.stamp) == (info.size, info.stamp)
