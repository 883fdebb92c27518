"""Reads an archive once: its MD5, its members, and what the bytes of each begin as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.archives.brokentar import BrokenTar
from pipeline.archives.index import INDEX_SCHEMA
from pipeline.archives.passage import Progress, Read, read_once
from pipeline.archives.tar import Member, TarScanner
from pipeline.archives.unpacking import is_packed, unpack_once
from pipeline.errors import ArchiveRefused
from pipeline.images.header import LOOK_AT, kind_of_data
from pipeline.storage import Location

DATA: Final = "data"
SCHEMA: Final = INDEX_SCHEMA.append(pa.field(DATA, pa.dictionary(pa.int32(), pa.string())))
"""Columns of a listing: those of an index, and what the data of each member are by their first
bytes, as `kind_of_data` says; "" of what has none of its own: folders, links, class tars."""

_PARQUET: Final = {"compression": "zstd", "use_dictionary": ["container", "kind", DATA]}
_ROW_GROUP: Final = 1 << 16


@dataclass(frozen=True)
class Listed:
    """What one pass has found.

    Attributes:
        read: size, stamp, MD5 and first bytes of the archive.
        refusal: why it cannot be read to its end as a tar; None: it can.
        broken: nested tars that cannot be read.
    """

    read: Read
    refusal: ArchiveRefused | None
    broken: tuple[BrokenTar, ...]


def list_archive(archive: Location, staged: storage.StagedFile, progress: Progress) -> Listed:
    """Read a tar once, and write the listing of its members.

    Args:
        archive: a tar, or a packed one.
        staged: a Parquet file of `SCHEMA`, for the caller to publish.
        progress: told the bytes read so far.

    Raises:
        ArchiveMissing: there is no such file.
        ArchiveRefused: what is packed is damaged.
        TransientError: it changed while it was read.
    """
    scanner = TarScanner(str(archive), nested=True, keep_broken=True)
    with staged.stream() as stream, pq.ParquetWriter(stream, SCHEMA, **_PARQUET) as sink:
        lister = _Lister(scanner, sink)
        packed = is_packed(archive)
        read = (
            unpack_once(archive, None, lister.look, progress)
            if packed
            else read_once(archive, None, lister.look, progress)
        )
        refusal = lister.finish()
    return Listed(read, refusal, tuple(scanner.broken))


class _Lister:
    """Lists the members of an archive whose bytes it is shown, in bounded memory."""

    def __init__(self, scanner: TarScanner, sink: pq.ParquetWriter) -> None:
        self._scanner, self._sink = scanner, sink
        self._rows: list[tuple[object, ...]] = []
        self._refusal: ArchiveRefused | None = None
        self._start = 0  # where the bytes that are shown begin in the archive
        self._open: Member | None = None  # the last file: its first bytes are not all shown yet
        self._head = b""

    def look(self, view: memoryview) -> None:
        """Take the next bytes of the archive."""
        start, self._start = self._start, self._start + len(view)
        if self._refusal is not None:
            return
        if self._open is not None:
            self._take(view)
        try:
            members = self._scanner.feed(view)
        except ArchiveRefused as error:
            self._refusal = error
            return
        for member in members:
            if member.kind != "file" or self._scanner.reads_inside(member):
                self._rows.append((*member, ""))
            else:
                self._open, self._head = member, b""
                self._take(view[member.offset - start :])
        if len(self._rows) >= _ROW_GROUP:
            self._write()

    def finish(self) -> ArchiveRefused | None:
        """Write what is left; return why the archive cannot be read to its end, or None."""
        if self._refusal is None:
            try:
                self._scanner.finish()
            except ArchiveRefused as error:
                self._refusal = error
        self._write()
        return self._refusal

    def _take(self, data: memoryview) -> None:
        """Take the next data of the open file; it is closed when its first bytes are all there."""
        if self._open is None:
            return
        wanted = min(self._open.size, LOOK_AT)
        self._head += bytes(data[: wanted - len(self._head)])
        if len(self._head) == wanted:
            self._rows.append((*self._open, kind_of_data(self._head)))
            self._open = None

    def _write(self) -> None:
        for first in range(0, len(self._rows), _ROW_GROUP):
            rows = self._rows[first : first + _ROW_GROUP]
            columns = zip(SCHEMA.names, zip(*rows, strict=True), strict=True)
            self._sink.write_table(pa.table(dict(columns), SCHEMA))
        self._rows.clear()
