r"""RecordIO shards of MXNet, with the indexes and the image lists that belong to them.

A line of an index is ``'%d\t%d\n' % (id, offset of the record in bytes)``; one of an image list
``id TAB label [TAB label ...] TAB path``. Both are in the order of the records.

The bytes of a record are those of `recordio_framing` around those of `irheader`.

Sources: apache/mxnet 1.9.1, python/mxnet/recordio.py and tools/im2rec.py.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from pipeline.errors import BadAnnotation, BadImage, InputRefused, OutputDamaged, UsageError
from pipeline.formats.record import Placement
from pipeline.formats.recordio.framing import (
    MAGIC,
    MAGIC_BYTES,
    MAX_PAYLOAD,
    RawRecord,
    frame,
    magics,
    read_parts,
    read_records,
)
from pipeline.formats.recordio.header import IndexedRecord, LabelForm, encode_header
from pipeline.formats.recordio.index import index_lines, list_line, read_index, read_list
from pipeline.storage import Buffer, Location, StagedFile

__all__ = [
    "WRITER_VERSION",
    "IndexedRecord",
    "IndexedShard",
    "RawRecord",
    "RecordIOWriter",
    "encode_record",
    "frame",
    "index_lines",
    "join",
    "list_line",
    "read_index",
    "read_records",
]

WRITER_VERSION: int = 1
"""Part of the output digest: raise it when the same records would give other bytes."""

_LISTED: Final = 1 << 16  # bytes of the image list that are written at once
_REMEDY: Final = "remove the file and run the shardmill command again: it is made anew"


@dataclass(frozen=True, slots=True)
class IndexedShard:
    """A finished shard, its index and, if it has one, its image list."""

    shard: Location
    index: Location
    listing: Location | None = None


class RecordIOWriter:
    """Writes the records of one shard, its index and its image list; publishes none of them.

    Args:
        shard: the RecordIO file.
        index: the index, written by `finish`.
        listing: the image list, ended by `finish`; or None.
        form: how labels are stored.
    """

    def __init__(
        self,
        shard: StagedFile,
        index: StagedFile,
        listing: StagedFile | None = None,
        *,
        form: LabelForm = LabelForm.PYTHON,
    ) -> None:
        self._shard = shard
        self._index = index
        self._listing = listing
        self._lines = bytearray()
        self._form = form
        self._ids = array("Q")
        self._offsets = array("Q")

    def write(self, record: IndexedRecord) -> Placement:
        """Append a record.

        Raises:
            BadAnnotation: see `encode_record`; the path cannot stand in an image list.
            BadImage: see `encode_record`.
            ShardmillError: the file cannot be written, see `StagedFile.write`.
        """
        pieces = encode_record(record, self._form)
        line = list_line(record) if self._listing else b""
        offset = self._shard.size
        length = self._shard.write(*pieces)
        self._ids.append(record.id)
        self._offsets.append(offset)
        self._list(line)
        return Placement(offset, length)

    def append(self, part: IndexedShard) -> int:
        """Append the records of a finished shard, copied as they stand; return how many.

        The shard is checked as `read_records` does, and that its index has the offset of each.

        Raises:
            OutputDamaged: one of its files is missing or not as it is written, or they disagree.
            UsageError: an image list is to be made, and the shard has none.
        """
        ids, offsets = read_index(part.index)
        lines = self._lines_of(part, ids)
        base, expected = self._shard.size, iter(offsets)
        with self._shard.copying(part.shard):
            for piece in read_parts(part.shard):
                if piece.begins and piece.offset != next(expected, None):
                    raise _not_indexed(part, f"byte {piece.offset}")
                self._shard.write(piece.framed)
        if next(expected, None) is not None:
            raise _not_indexed(part, "the end")
        self._ids.extend(ids)
        self._offsets.extend(base + offset for offset in offsets)
        self._list(lines)
        return len(ids)

    def finish(self) -> None:
        """Write the index, and the end of the image list, of all records written.

        Raises:
            InputRefused: there is no record, and no reader opens an empty file.
            BadAnnotation: two records have one id, and readers would find the last only.
        """
        if not self._ids:
            raise InputRefused(
                "no image is left of a shard, which may not be empty",
                file=str(self._shard.path),
                expected="1 or more records",
                remedy="ask for fewer shards, or list more images",
            )
        _check_unique(self._shard.path, self._ids)
        self._index.write(index_lines(self._ids, self._offsets))
        if self._listing:
            self._listing.write(self._lines)
            self._lines.clear()

    @property
    def records(self) -> int:
        """How many were written."""
        return len(self._ids)

    def _lines_of(self, part: IndexedShard, ids: array[int]) -> bytes:
        if not self._listing:
            return b""
        if part.listing is None:
            raise UsageError(
                "an image list cannot be made of a shard that has none",
                file=str(part.shard),
                remedy="make the shard with an image list, or join without one",
            )
        return read_list(part.listing, ids)

    def _list(self, lines: bytes) -> None:
        if self._listing:
            self._lines += lines
            if len(self._lines) >= _LISTED:
                self._listing.write(self._lines)
                self._lines.clear()


def encode_record(record: IndexedRecord, form: LabelForm) -> list[Buffer]:
    """Return a record as it lies in a shard, in pieces; its image is not copied unless it is cut.

    Raises:
        BadAnnotation: see `encode_header`; the id or a label has the bits of the magic number,
            which DALI cannot read.
        BadImage: the image has no bytes, or the payload 512 MiB or more.
    """
    header, encoded = encode_header(record, form), record.encoded
    if MAGIC_BYTES in header and magics(header):
        raise _has_magic(record)
    if not len(encoded) or len(header) + len(encoded) > MAX_PAYLOAD:
        raise _wrong_size(record, len(header))
    return frame(header, encoded)


def join(parts: Iterable[IndexedShard], writer: RecordIOWriter) -> None:
    """Make one shard of several, their records one after another, and finish it.

    Raises:
        ShardmillError: see `RecordIOWriter.append` and `RecordIOWriter.finish`.
    """
    for part in parts:
        writer.append(part)
    writer.finish()


def _check_unique(path: Location, ids: array[int]) -> None:
    values = np.array(ids, np.uint64)
    order = np.argsort(values, kind="stable")
    same = np.flatnonzero(values[order[1:]] == values[order[:-1]])
    if same.size:
        first, second = sorted(order[same[0] : same[0] + 2].tolist())
        raise BadAnnotation(
            "two images have one id, by which readers find the second only",
            file=str(path),
            place=f"records {first + 1} and {second + 1}",
            expected="another id for each image",
            found=f"{ids[first]} twice",
            remedy="correct the image list",
        )


def _has_magic(record: IndexedRecord) -> BadAnnotation:
    return BadAnnotation(
        "an id or a label has the bits of RecordIO's magic number",
        file=record.path,
        place=f"id {record.id}",
        expected=f"none that DALI cannot read: {MAGIC:#010x} in either half of an id, or a label",
        found=f"id {record.id}, labels {', '.join(map(str, record.labels[:8]))}",
        remedy="give the image another id, or its class another number",
    )


def _wrong_size(record: IndexedRecord, header: int) -> BadImage:
    return BadImage(
        "the image cannot be stored in a RecordIO shard",
        file=record.path,
        place=f"id {record.id}",
        expected=f"1 to {MAX_PAYLOAD - header} bytes",
        found=f"{len(record.encoded)}",
        remedy="leave this image out, or make it smaller first",
    )


def _not_indexed(part: IndexedShard, found: str) -> OutputDamaged:
    return OutputDamaged(
        "the index is of other records than the shard holds",
        file=str(part.index),
        expected="the offset of each record",
        found=f"another one, or none, for what {part.shard.name} has at {found}",
        remedy=_REMEDY,
    )
