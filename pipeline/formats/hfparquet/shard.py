"""Parquet shards: row groups of a hundred images or 16 MiB, an image a page.

A shard::

    "PAR1"
    of each row group: a page for each image, as they come; then a page for each other column
    FileMetaData (Thrift) | u32 its bytes, little-endian | "PAR1"

So images are written from where they stand, uncopied, and a writer holds what is said of one row
group. There are no statistics: nobody looks for images by their bytes.

Source: apache/parquet-format, parquet.thrift.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.errors import BadImage, OutputDamaged
from pipeline.formats.base import RecordOptions, StoredRecord
from pipeline.formats.hfparquet import columns, features, footer, pages
from pipeline.formats.hfparquet.columns import Columns
from pipeline.formats.hfparquet.footer import Chunk, RowGroup
from pipeline.formats.hfparquet.ranges_file import RangesFile
from pipeline.formats.record import ImageRecord, Placement
from pipeline.storage import Buffer, Location, Ranges, StagedFile, open_ranges

WRITER_VERSION: int = 1
"""Part of the output digest: raise it when the same records would give other bytes."""
GROUP_ROWS: Final = 100
GROUP_BYTES: Final = 16 << 20
"""A row group ends with the image by which it has so many rows, or bytes of images and masks."""

_LEVEL: Final = 2  # the definition level of the bytes of an image
_PAGE_BYTES: Final = (1 << 31) - 1
_HEAD: Final = 64  # bytes, more than the header of a page has
_NOT_OURS: Final = (
    *(pa.ArrowException, OSError, ValueError, LookupError, TypeError, AttributeError),
    *(RecursionError, struct.error),
)
"""What reading a table raises that is none of ours."""
_REMEDY: Final = "remove the file and run the shardmill command again: it is made anew"


@dataclass(frozen=True, slots=True)
class Row:
    """What a shard says of an image, but for its bytes.

    Attributes:
        said: as `columns.row` gives it.
        features: what the shard says of its columns, see `features.metadata`.
        size: bytes of the image.
    """

    said: dict[str, Any]
    features: str
    size: int


class ShardWriter:
    """Writes the records of one shard; publishes nothing."""

    def __init__(self, file: StagedFile, options: RecordOptions) -> None:
        self._file, self._options = file, options
        self._columns = columns.columns(features.features(options))
        self._rows: list[dict[str, Any]] = []
        self._groups: list[RowGroup] = []
        file.write(footer.MAGIC)
        self._start = file.size
        self._held = 0

    def write(self, record: ImageRecord) -> Placement:
        """Append a record; its image is written from where it stands, uncopied.

        Raises:
            BadImage: it is of 2 GiB or more.
        """
        encoded, row = record.encoded, columns.row(record, self._options)
        offset, opening = self._file.size, _opening(encoded, record.key)
        self._file.write(opening, encoded)
        self._rows.append(row)
        self._held += len(encoded) + sum(map(len, record.masks))
        placement = Placement(offset, self._file.size - offset)
        if len(self._rows) >= GROUP_ROWS or self._held >= GROUP_BYTES:
            self._end_group()
        return placement

    def finish(self) -> None:
        """End the last row group, and write the footer."""
        if self._rows:
            self._end_group()
        said = features.metadata(self._options)
        self._file.write(footer.encoded(self._columns, self._groups, said))

    def _end_group(self) -> None:
        images = self._file.size - self._start
        group, others = _row_group(self._columns, self._rows, self._start, images)
        self._file.write(others)
        self._groups.append(group)
        self._rows, self._held, self._start = [], 0, self._file.size


def read_records(path: Location) -> Iterator[StoredRecord]:
    """Yield the records of a shard in order, all of its bytes compared with what would be written.

    Holds one image, and what is said of those of its row group.

    Raises:
        OutputDamaged: the file is missing or not as it is written; it names the record or the row
            group, and the byte offset of what is wrong.
    """
    if storage.stat(path) is None:
        raise OutputDamaged("the shard is missing", file=str(path), remedy=_REMEDY)
    with open_ranges(path) as file:
        yield from _Reader(file).records()


class _Reader:
    """Walks through a shard, and knows where each part of it should begin."""

    def __init__(self, file: Ranges) -> None:
        self._file = file
        try:
            self._table = pq.ParquetFile(RangesFile(file), page_checksum_verification=True)
            found = self._table.metadata.metadata or {}
            self._features = found[b"huggingface"].decode()
            self._columns = columns.columns(json.loads(self._features)["info"]["features"])
        except _NOT_OURS as error:
            raise self._damaged("the footer", file.info.size, str(error)) from error
        self._number = 0
        self._groups: list[RowGroup] = []

    def records(self) -> Iterator[StoredRecord]:
        at = len(footer.MAGIC)
        self._compare(0, footer.MAGIC, "the start")
        for number in range(self._table.num_row_groups):
            rows, group = self._group(number, at)
            for row in rows:
                record = self._record(at, row)
                yield record
                at += record.length
            if at != group.chunks[1].offset:
                raise self._damaged(f"row group {number + 1}", at, "other sizes of images")
            self._groups.append(group)
            at = group.end
        ending = footer.encoded(self._columns, self._groups, self._features)
        self._compare(at, ending, "the footer")
        if at + len(ending) != self._file.info.size:
            raise self._damaged("the end", at + len(ending), "more bytes")

    def _group(self, number: int, start: int) -> tuple[list[dict[str, Any]], RowGroup]:
        """Return the rows of a row group, when all but its images is found to be as written."""
        place = f"row group {number + 1}"
        try:
            said = self._table.metadata.row_group(number)
            images = said.column(0).total_compressed_size
            if not 0 < said.num_rows <= GROUP_ROWS or not 0 < images <= self._file.info.size:
                raise ValueError(f"{said.num_rows} rows in {images} bytes")
            names = [".".join(leaf.path) for leaf in self._columns.leaves[1:]]
            rows = self._table.read_row_group(number, names, use_threads=False).to_pylist()
            group, others = _row_group(self._columns, rows, start, images)
        except _NOT_OURS as error:
            raise self._damaged(place, start, str(error)) from error
        self._compare(start + images, others, place)
        return rows, group

    def _record(self, at: int, row: dict[str, Any]) -> StoredRecord:
        self._number += 1
        place = f"record {self._number}"
        body, length = pages.sizes(bytes(self._file.read(at, _HEAD)))
        size = body - len(pages.one_value(_LEVEL, 0))
        if not 0 <= size <= self._file.info.size - at:
            raise self._damaged(place, at, f"a page of {body} bytes")
        page = self._file.read(at, length + body)
        start = len(page) - size
        if len(page) < length + body or page[:start] != _opening(page[start:]):
            raise self._damaged(place, at, "another page than its checksum says")
        return StoredRecord(at, len(page), page, b"", Row(row, self._features, size))

    def _compare(self, at: int, expected: bytes, place: str) -> None:
        if self._file.read(at, len(expected)) != expected:
            raise self._damaged(place, at, "other bytes than are written of what it says")

    def _damaged(self, place: str, at: int, found: str) -> OutputDamaged:
        return OutputDamaged(
            "the shard is not as it was written",
            file=str(self._file.path),
            place=f"{place}, byte {at}",
            found=found,
            remedy=_REMEDY,
        )


def _row_group(
    of: Columns, rows: Sequence[dict[str, Any]], start: int, images: int
) -> tuple[RowGroup, bytes]:
    """Return a row group, and the pages of all its columns but that of the images.

    Args:
        of: the columns.
        rows: what they have.
        start: where the row group begins in the shard.
        images: bytes of the pages of the images.
    """
    chunks, encoded = [Chunk(start, images, len(rows))], list[bytes]()
    for leaf in of.leaves[1:]:
        entries, page = leaf.page(rows)
        chunks.append(Chunk(chunks[-1].end, len(page), entries))
        encoded.append(page)
    return RowGroup(len(rows), tuple(chunks)), b"".join(encoded)


def _opening(encoded: Buffer, key: str = "") -> bytes:
    """Return what precedes an image in its page, the header of the page first.

    Raises:
        BadImage: the image is too large for a page.
    """
    prefix = pages.one_value(_LEVEL, len(encoded))
    size = len(prefix) + len(encoded)
    if size > _PAGE_BYTES:
        raise BadImage(
            "the image is too large for a page of a Parquet file",
            file=key,
            expected=f"at most {_PAGE_BYTES} bytes",
            found=f"{size} bytes",
            remedy="leave this image out, or store it smaller",
        )
    from isal import isal_zlib  # noqa: PLC0415 - not for loaders, which import all formats

    return pages.header(1, size, isal_zlib.crc32(encoded, isal_zlib.crc32(prefix))) + prefix
