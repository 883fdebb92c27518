"""Plain tars that were unpacked from packed archives beside them: what is known of each.

A small hidden document beside such a tar says of which packed file it is, and how both looked
then. So a file that somebody else has put there is never taken for it.
"""

from __future__ import annotations

from pathlib import Path

from pipeline import manifest, storage
from pipeline.documents.records import UnpackedRecord
from pipeline.storage import FileInfo


def record(target: Path) -> Path:
    """Return where the document of a plain tar lies."""
    return target.with_name(f".{target.name}.unpacked")


def known(target: Path) -> UnpackedRecord | None:
    """Return what is known of a plain tar; None: nobody has unpacked it."""
    return manifest.read_undamaged(record(target), UnpackedRecord)


def is_own(info: FileInfo, of: UnpackedRecord | None) -> bool:
    """Whether a file is the one that was unpacked, by its size and time."""
    return of is not None and info == FileInfo(of.size, of.stamp)


def is_of(of: UnpackedRecord, packed: FileInfo) -> bool:
    """Whether a packed file is the one that a plain tar was unpacked from, by size and time."""
    return (of.packed_size, of.packed_stamp) == (packed.size, packed.stamp)


def is_unpacked(target: Path) -> bool:
    """Whether a file is there that this program has unpacked, and that looks as it did then."""
    info = storage.stat(target)
    return info is not None and is_own(info, known(target))


def remove(target: Path) -> None:
    """Remove a plain tar, and then what says what it is."""
    storage.remove(target.parent, target)
    storage.remove(target.parent, record(target))
