"""A tar or tar.gz read as a stream: its small members' bytes, without unpacking it.

gzip (RFC 1952) is recognised by its magic, not by the archive's name, which a browser may have
left as it was when it decompressed the file.
"""

from __future__ import annotations

from collections.abc import Iterator

from isal import igzip_lib

from pipeline import storage
from pipeline.archives.signatures import GZIP_MAGIC
from pipeline.archives.tar import COMPARE_MD5, Member, TarScanner
from pipeline.errors import ArchiveMissing, ArchiveRefused
from pipeline.storage import Location

_STEP = 1 << 18
_ALWAYS_UNPACKED = 256 << 20  # bytes
_MAX_PACKING = 200  # how many bytes a packed one may stand for beyond that; annotations: some 40


def read_members(archive: Location, *, largest: int) -> Iterator[tuple[Member, bytes | None]]:
    """Yield every member of a tar or tar.gz but its folders, with its content.

    The content is None if it is no regular file or larger than `largest`. The members come in the
    order of the archive; `Member.offset` counts unpacked bytes. Twice `largest` and half a MiB
    are held at most.

    Args:
        archive: a tar, or one or more gzip streams of it.
        largest: bytes of a member's content.

    Raises:
        ArchiveMissing: there is no such file.
        ArchiveRefused: it is truncated, fails its CRC, or is no tar.
    """
    scanner = TarScanner(str(archive))
    waiting: list[Member] = []
    kept = b""
    for piece in unpacked(archive):
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


def unpacked(archive: Location) -> Iterator[bytes]:
    """Yield the bytes of a file, or of what gzip packed into it, at most 256 KiB at a time.

    Raises:
        ArchiveMissing: there is no such file.
        ArchiveRefused: a gzip stream is truncated, fails its CRC, is followed by what is none, or
            stands for far more bytes than archives of small files do.
    """
    if storage.stat(archive) is None:
        remedy = "put it there, or correct the folder of the raw archives"
        raise ArchiveMissing("the archive is not there", file=str(archive), remedy=remedy)
    with storage.open_ranges(archive) as reader:
        if bytes(reader.read(0, len(GZIP_MAGIC))) == GZIP_MAGIC:
            yield from _inflated(archive, reader)
            return
        at = 0
        while view := reader.read(at, _STEP):
            at += len(view)
            yield bytes(view)


def _inflated(archive: Location, reader: storage.Ranges) -> Iterator[bytes]:
    """Yield what gzip packed; one stream may follow another, and zeros the last (RFC 1952)."""
    stream = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    at = size = 0
    found = "the end of the file"
    try:
        while view := reader.read(at, _STEP):
            at += len(view)
            packed = bytes(view)
            while packed or not stream.needs_input:
                if stream.eof:
                    packed = packed.lstrip(b"\0")
                    if not packed:
                        break
                    stream = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
                piece = stream.decompress(packed, _STEP)
                size += len(piece)
                if size > _ALWAYS_UNPACKED + _MAX_PACKING * at:
                    raise _packed_too_well(archive, at, size)
                yield piece
                packed = stream.unused_data if stream.eof else b""
        if stream.eof:
            return
    except igzip_lib.IsalError as error:  # type: ignore[misc] # isal's stub calls it an instance
        found = f"damaged data: {error}"
    raise ArchiveRefused(
        "the gzip stream is damaged or ends too early",
        file=str(archive),
        place=f"byte {at} of the packed file, or up to {_STEP} before it",
        expected="a whole stream, of the CRC at its end",
        found=found,
        remedy=COMPARE_MD5,
    )


def _packed_too_well(archive: Location, at: int, size: int) -> ArchiveRefused:
    return ArchiveRefused(
        "the gzip stream stands for far more bytes than archives of small files do",
        file=str(archive),
        place=f"byte {at} of the packed file, or up to {_STEP} before it",
        expected=f"at most {_ALWAYS_UNPACKED >> 20} MiB, and {_MAX_PACKING} bytes for each beyond",
        found=f"{size} bytes or more",
        remedy=f"{COMPARE_MD5}; an archive that is right is taken unpacked, as a plain tar",
    )
