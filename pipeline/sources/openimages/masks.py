"""The masks of one selection and one archive: which are needed, and what comes of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import digests, manifest
from pipeline.documents.openimages import MaskMark
from pipeline.sources.openimages import places
from pipeline.storage import Location

KEPT: Final = "kept"
"""The mask lies in the output folder as its archive has it."""
BLACK: Final = "black"
"""So does this one, but no pixel of it is the object's."""
MISSING: Final = "missing"
"""The archive has no member of that name."""
BAD: Final = "bad"
"""The archive has a member of that name that is no mask; it is not written."""
OUTCOMES: Final = (KEPT, BLACK, MISSING, BAD)
VERSION: Final = 1
"""Other tables of the same masks: another version."""
WRITTEN: Final = frozenset({KEPT, BLACK})
"""The outcomes of masks that lie in the output folder."""


@dataclass(frozen=True)
class MaskArchive:
    """An archive of masks.

    Attributes:
        file: its name, such as ``train-masks-0.zip``.
        bytes: what it should have; None: it is not known.
        md5: what it should have, in hex; None: it is not known.
        url: where it can be fetched; None: it has to be in the raw folder.
    """

    file: str
    bytes: int | None = None
    md5: str | None = None
    url: str | None = None


def complete(out: Location, split: str, selection: str, digit: str) -> MaskMark | None:
    """Return the mark of masks that were collected; None: they are still to be.

    The masks themselves are not looked at: there may be a hundred thousand.
    """
    return manifest.read_complete(places.mask_mark(out, split, selection, digit), out, MaskMark)


def collect(
    out: Path,
    split: str,
    selection: str,
    digit: str,
    archive: MaskArchive,
    *,
    raw: Path,
    offline: bool = False,
    say: Callable[[str], None] = lambda _text: None,
    tell: Callable[[int, int | None], None] = lambda _done, _total: None,
) -> MaskMark:
    """Write the masks of a selection that one archive has, and the table of what came of each.

    Does nothing where that was done already. Masks that lie there from earlier are kept.

    Args:
        out: the output folder.
        split: whose masks.
        selection: its digest; its table of objects names the masks.
        digit: the first digit of the ImageIDs.
        archive: it is read in place where it lies in `raw`.
        raw: the folder of archives; may be read-only, unless most of an archive is needed.
        offline: whether nothing may be fetched.
        say: told what a person should know.
        tell: told how many masks are there, and of how many.

    Raises:
        ArchiveMissing: it is not in `raw`, and may or can not be fetched.
        ArchiveRefused: it is no zip archive, or another one than is pinned.
        BadAnnotation: a MaskPath that no mask can have.
        ShardmillError: a server does not give it out; the disk is full.
    """
    mark = complete(out, split, selection, digit)
    if mark is None:
        raise NotImplementedError(archive.file, raw, offline, say, tell)
    return mark


def digest_of(marks: Iterable[MaskMark]) -> str:
    """Return the digest of the masks of selections: of each its name, outcome and CRC-32."""
    rows = sorted([mark.split, mark.digit, mark.digest] for mark in marks)
    return digests.digest({"masks": rows, "version": VERSION})
