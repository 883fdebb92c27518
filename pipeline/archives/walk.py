"""The index of an archive that is not verified yet, made by reading the headers of its members.

A tar says in each header how far it is to the next one. So the index of an archive of images is
known after a small part of its bytes was read, long before its MD5 is. The rows, and the bytes of
the Parquet file, are those that `index.verify_and_index` writes of the same archive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline import storage
from pipeline.archives.index import IndexWriter
from pipeline.archives.tar import TarScanner
from pipeline.errors import TransientError
from pipeline.storage import Location

_PAGE: Final = 4096
"""Bytes that are read at least: the kernel reads no less. Most headers need a single read."""


@dataclass(frozen=True)
class WalkedArchive:
    """What the headers of an archive say, whichever archive it is.

    Attributes:
        name: file name, without its folder.
        info: its size and stamp, the same before and after the walk.
        members: rows of its index, nested tars among them.
    """

    name: str
    info: storage.FileInfo
    members: int


def walk_index(archive: Location, index: storage.StagedFile) -> WalkedArchive:
    """Read the headers of a tar on this machine, and of the tars in it; write the index of both.

    Nothing is known of the bytes between the headers, nor whether this is the right archive.

    Args:
        archive: an uncompressed tar, a local file.
        index: a Parquet file of `index.INDEX_SCHEMA`, for the caller to publish.

    Raises:
        ArchiveRefused: it is truncated or malformed, or a tar in it is.
        TransientError: the file changed meanwhile.
        UsageError: it lies at an address.
    """
    scanner = TarScanner(str(archive), nested=True)
    with (
        storage.open_local(storage.on_this_machine(archive)) as reader,
        IndexWriter.of(index) as sink,
    ):
        reader.expect_scattered()
        before = reader.info
        while scanner.end is None:
            at, need = scanner.next_range
            if at > scanner.size:
                scanner.skip_to(at)
            stop = -(-(at + need) // _PAGE) * _PAGE
            view = reader.read(scanner.size, stop - scanner.size)
            if not view:
                break
            sink.add(scanner.feed(view))
        scanner.finish()
        sink.finish()
    if storage.stat(archive) != before:
        raise TransientError(
            "the archive changed while its headers were read",
            file=str(archive),
            remedy="wait until its download has ended, then run the same command again",
        )
    return WalkedArchive(archive.name, before, sink.members)
