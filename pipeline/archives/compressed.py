"""A tar, packed or plain, read as a stream: its small members' bytes, without unpacking it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline import storage
from pipeline.archives import decompression, passage
from pipeline.archives.signatures import HEAD_BYTES
from pipeline.archives.tar import Member, TarScanner
from pipeline.storage import Location

_STEP = 1 << 18


Look = Callable[[memoryview], None]


def read_members(
    archive: Location, *, largest: int, look: Look = lambda _view: None
) -> Iterator[tuple[Member, bytes | None]]:
    """Yield every member of a tar, packed or plain, but its folders, with its content.

    The content is None if it is no regular file or larger than `largest`. The members come in the
    order of the archive; `Member.offset` counts unpacked bytes. Twice `largest` and half a MiB
    are held at most.

    Args:
        archive: a tar, or what `decompression.PACKINGS` made of it.
        largest: bytes of a member's content.
        look: shown the bytes of the file, in order.

    Raises:
        ArchiveMissing: there is no such file.
        ArchiveRefused: it is truncated, fails its CRC, or is no tar.
    """
    scanner = TarScanner(str(archive))
    waiting: list[Member] = []
    kept = b""
    for piece in unpacked(archive, look):
        waiting += (each for each in scanner.feed(piece) if each.kind != "directory")
        window = kept + piece
        start, end = scanner.size - len(window), scanner.size
        done = 0
        for member in waiting:
            content = None
            if member.kind == "file" and member.size <= largest:
                if member.offset + member.size > end:
                    break
                first = member.offset - start
                content = window[first : first + member.size]
            yield member, content
            done += 1
        del waiting[:done]
        kept = window[waiting[0].offset - start :] if waiting else b""
    scanner.finish()


def unpacked(archive: Location, look: Look = lambda _view: None) -> Iterator[bytes]:
    """Yield the bytes of a file, or of what is packed in it, at most 256 KiB at a time.

    Args:
        archive: the file.
        look: shown its bytes, in order.

    Raises:
        ArchiveMissing: there is no such file.
        ArchiveRefused: see `decompression.unpacked`.
    """
    passage.info_of(archive)
    with storage.open_ranges(archive) as reader:
        packing = decompression.packing_of(bytes(reader.read(0, HEAD_BYTES)))
        if packing is not None:
            yield from decompression.unpacked(archive, reader, packing, look)
            return
        at = 0
        while view := reader.read(at, _STEP):
            at += len(view)
            look(view)
            yield bytes(view)
