"""A packed archive read once: its MD5, and the plain tar in it, written and shown on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from pipeline import storage
from pipeline.archives.decompression import PROGRAMS, packing_of, unpacked
from pipeline.archives.passage import FileAtRest, Progress, Read
from pipeline.archives.signatures import HEAD_BYTES, recognise
from pipeline.archives.tar import BLOCK
from pipeline.errors import ArchiveRefused
from pipeline.storage import Location

_PROGRESS_STEP: Final = 16 << 20


def is_packed(archive: Location) -> bool:
    """Whether a file is packed, by its first bytes, in a way that can be unpacked."""
    with storage.open_ranges(archive) as reader:
        return packing_of(bytes(reader.read(0, HEAD_BYTES))) is not None


def unpack_once(
    packed: Location,
    plain: storage.StagedFile | None,
    look: Callable[[memoryview], None],
    progress: Progress,
) -> Read:
    """Read a packed archive from its first byte to its last; return what it is.

    Args:
        packed: the archive.
        plain: takes what is packed in it, for the caller to publish; None: nobody keeps it.
        look: shown the same, in pieces.
        progress: told how many bytes of the archive were read, every 16 MiB and at the end.

    Returns:
        size, stamp and MD5 of the packed file, and the first block of the plain one.

    Raises:
        ArchiveMissing: there is no such file.
        ArchiveRefused: it is not packed in a way that is known, or is damaged.
        TransientError: it changed while it was read.
    """
    md5, done, head = hashlib.md5(usedforsecurity=False), 0, b""

    def see(view: memoryview) -> None:
        nonlocal done
        md5.update(view)
        done += len(view)
        source.will_need(done, 8 << 20)
        if done % _PROGRESS_STEP < len(view):
            progress(done)

    with FileAtRest(packed) as source:
        first = bytes(source.read(0, HEAD_BYTES))
        packing = packing_of(first)
        if packing is None:
            raise not_packed(packed, first)
        for piece in unpacked(packed, source.reader, packing, see):
            if plain is not None:
                plain.write(piece)
            look(memoryview(piece))
            head = head or piece[:BLOCK]
        progress(done)
        info = source.ended(done, md5.hexdigest())
    return Read(info, md5.hexdigest(), head)


def not_packed(packed: Location, head: bytes) -> ArchiveRefused:
    """Return the refusal of an archive that is named as packed, and begins with `head`."""
    foreign = recognise(head)
    return ArchiveRefused(
        "the archive is not packed as its name says",
        file=str(packed),
        place="its first bytes",
        expected=f"data that {PROGRAMS} has packed",
        found=foreign.kind if foreign else "other data",
        remedy="a browser may have unpacked it while it was saved: get it again, or give the plain"
        " tar a name in .tar and name that instead, in a configuration with the MD5 that it has",
    )
