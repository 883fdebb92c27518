"""Bounds on the size of a table, checked before its rows are read and unpacked.

A Parquet or Arrow file of 1 MB can stand for hundreds of millions of rows. What its footer and the
headers of its batches say is compared with what is known of the table, or with the file's size:
every row of every table has at least some bytes of its own. That an uncompressed Arrow batch lies
in the file, Arrow checks itself.

Source: Apache Arrow, format/Message.fbs and File.fbs; FlatBuffers, "Internals".
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_OF_A_BYTE: Final = 8
"""Rows that a byte of a Parquet file may stand for; a million images take several bytes each."""
MAX_GROUP_BYTES: Final = 1 << 30
"""Of a row group of a Parquet file, unpacked."""
MAX_PACKING: Final = 256
"""How many times as long as the file the unpacked columns of a compressed Arrow file may be."""

_MAGIC: Final = b"ARROW1"
_HEADER_TYPE, _HEADER = 1, 2  # fields of a Message
_DICTIONARY, _BATCH = 2, 3  # kinds of its header
_DATA: Final = 1  # field of a DictionaryBatch
_LENGTH, _BUFFERS, _COMPRESSION = 0, 2, 3  # fields of a RecordBatch
_DICTIONARIES, _BATCHES = 2, 3  # fields of a Footer
_BLOCK: Final = struct.Struct("<qi4xq")  # offset, bytes of its metadata, of its body
_BUFFER: Final = struct.Struct("<qq")  # offset in the body, bytes
_CONTINUATION: Final = b"\xff\xff\xff\xff"
_MOST_METADATA: Final = 16 << 20  # bytes


def check_groups(table: pq.ParquetFile, file: pa.NativeFile) -> None:
    """Check what all row groups of a Parquet file claim to hold together; see `check_group`."""
    _check_rows(table.metadata.num_rows, ROWS_OF_A_BYTE * file.size())
    for group in range(table.num_row_groups):
        check_group(table, group, ROWS_OF_A_BYTE * file.size())


def check_group(table: pq.ParquetFile, group: int, most: int) -> None:
    """Check, in the context of `storage.open_arrow`, what a row group claims to hold.

    Args:
        table: its file.
        group: 0-based number of the row group.
        most: rows that it may have.

    Raises:
        pa.ArrowInvalid: it claims more.
    """
    found = table.metadata.row_group(group)
    _check_rows(found.num_rows, most)
    if not 0 <= found.total_byte_size <= MAX_GROUP_BYTES:
        raise pa.ArrowInvalid(f"a row group of {found.total_byte_size:,} bytes")


def batch_check(file: pa.NativeFile) -> Callable[[int], None]:
    """Return what checks a batch of an Arrow file, by its number; the footer is read here, once.

    Both raise `pa.ArrowInvalid`: where a dictionary, or the batch, does not lie in the file
    uncompressed, or there is no such batch.
    """
    with _readable():
        footer = _Footer.of(file)
        for place in range(footer.count(_DICTIONARIES)):
            footer.check_plain(_DICTIONARIES, place)

    def check(number: int) -> None:
        with _readable():
            if number >= footer.count(_BATCHES):
                raise pa.ArrowInvalid(f"no batch {number}")
            footer.check_plain(_BATCHES, number)

    return check


def check_file(file: pa.NativeFile, most: int | None = None, *, packed: bool = False) -> None:
    """Check what all batches of an Arrow file claim to hold.

    Args:
        file: the table.
        most: rows that it may have; None: one for each byte of the file.
        packed: whether its batches may be compressed.

    Raises:
        pa.ArrowInvalid: it claims more, or is compressed and may not be.
    """
    size, unpacked = file.size(), 0
    with _readable():
        footer = _Footer.of(file)
        for field in (_DICTIONARIES, _BATCHES):
            rows = 0
            for place in range(footer.count(field)):
                if not packed:
                    footer.check_plain(field, place)
                length, bytes_of_columns = footer.claim(field, place)
                rows += length
                unpacked += bytes_of_columns
            _check_rows(rows, size if most is None or field == _DICTIONARIES else most)
    if unpacked > MAX_PACKING * size:
        raise pa.ArrowInvalid(f"{unpacked:,} bytes that are packed into {size:,}")


def check_stream(file: pa.NativeFile) -> None:
    """Check that all batches of an Arrow stream lie in it uncompressed; it is read to its end.

    Raises:
        pa.ArrowInvalid: one is compressed.
    """
    with _readable():
        for message in pa.ipc.MessageReader.open_stream(file):
            _check_plain(_read(message.metadata.to_pybytes(), 0))
    file.seek(0)


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    """Turn what a wrong offset leads to into the error of a damaged table."""
    try:
        yield
    except struct.error as error:
        raise pa.ArrowInvalid(f"headers that are cut off: {error}") from error


def _check_rows(found: int, most: int) -> None:
    if not 0 <= found <= most:
        raise pa.ArrowInvalid(f"{found:,} rows, where there are at most {most:,}")


@dataclass(frozen=True)
class _Table:
    """A table of a FlatBuffer.

    Attributes:
        data: the buffer.
        at: offset of the table.
    """

    data: bytes
    at: int

    def place(self, field: int) -> int | None:
        """Return the offset of a field's value; None: it has the default."""
        (back,) = struct.unpack_from("<i", self.data, self.at)
        fields = self.at - back
        (size,) = struct.unpack_from("<H", self.data, fields)
        if 4 + 2 * field >= size:
            return None
        (offset,) = struct.unpack_from("<H", self.data, fields + 4 + 2 * field)
        return self.at + offset if offset else None

    def number(self, field: int, form: str) -> int:
        place = self.place(field)
        return 0 if place is None else int(struct.unpack_from(f"<{form}", self.data, place)[0])

    def table(self, field: int) -> _Table | None:
        place = self.place(field)
        return None if place is None else _Table(self.data, self._target(place))

    def vector(self, field: int) -> tuple[int, int]:
        """Return the offset of a vector's first item, and the number of items."""
        place = self.place(field)
        if place is None:
            return 0, 0
        start = self._target(place)
        return start + 4, int(struct.unpack_from("<I", self.data, start)[0])

    def _target(self, place: int) -> int:
        return place + int(struct.unpack_from("<I", self.data, place)[0])


@dataclass(frozen=True)
class _Footer:
    """The footer of an Arrow file: where its batches and dictionaries lie."""

    file: pa.NativeFile
    table: _Table

    @staticmethod
    def of(file: pa.NativeFile) -> _Footer:
        end = file.size() - len(_MAGIC) - 4
        if end < 0:
            raise pa.ArrowInvalid("no Arrow file")
        size = int.from_bytes(_bytes(file, end, 4), "little")
        if not 0 < size <= end:
            raise pa.ArrowInvalid(f"a footer of {size:,} bytes")
        return _Footer(file, _root(_bytes(file, end - size, size)))

    def count(self, field: int) -> int:
        return self.table.vector(field)[1]

    def check_plain(self, field: int, place: int) -> None:
        _check_plain(self._batch(field, place)[0])

    def claim(self, field: int, place: int) -> tuple[int, int]:
        """Return the rows of a batch, and the bytes of its columns once they are unpacked."""
        batch, body = self._batch(field, place)
        if batch is None:
            return 0, 0
        size = 0
        if batch.place(_COMPRESSION) is not None:
            start, count = batch.vector(_BUFFERS)
            for at in range(start, start + count * _BUFFER.size, _BUFFER.size):
                offset, length = _BUFFER.unpack_from(batch.data, at)
                if length > 0:  # it begins with its unpacked length, or with -1: it is as it is
                    size += max(length, *struct.unpack("<q", _bytes(self.file, body + offset, 8)))
        return batch.number(_LENGTH, "q"), size

    def _batch(self, field: int, place: int) -> tuple[_Table | None, int]:
        start, _ = self.table.vector(field)
        at, metadata, _ = _BLOCK.unpack_from(self.table.data, start + _BLOCK.size * place)
        if not 0 <= metadata <= _MOST_METADATA:
            raise pa.ArrowInvalid(f"a batch of {metadata:,} bytes of metadata")
        content = _bytes(self.file, at, metadata)
        return _read(content, 8 if content[:4] == _CONTINUATION else 4), at + metadata


def _read(message: bytes, start: int) -> _Table | None:
    """Return the record batch of a message, or of its dictionary; None: it has none."""
    root = _root(message[start:])
    header, kind = root.table(_HEADER), root.number(_HEADER_TYPE, "B")
    if header is not None and kind == _DICTIONARY:
        return header.table(_DATA)
    return header if kind == _BATCH else None


def _root(data: bytes) -> _Table:
    return _Table(data, int(struct.unpack_from("<I", data)[0]))


def _check_plain(batch: _Table | None) -> None:
    if batch is not None and batch.place(_COMPRESSION) is not None:
        raise pa.ArrowInvalid("a compressed batch, where none was written")


def _bytes(file: pa.NativeFile, at: int, size: int) -> bytes:
    if at < 0 or at + size > file.size():
        raise pa.ArrowInvalid(f"{size:,} bytes at byte {at:,}, where there are none")
    file.seek(at)
    return bytes(file.read(size))
