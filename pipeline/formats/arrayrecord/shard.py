"""ArrayRecord shards: a chunk for each record, then where all of them are.

They are written by the library, since each byte is hashed with HighwayHash, and read here: so that
whatever is read back is found by what it is, and not by who wrote it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, Final

from pipeline import storage
from pipeline.errors import OutputDamaged
from pipeline.formats.arrayrecord import chunks, footer
from pipeline.formats.arrayrecord.library import OPTIONS, library, other_layout, refused
from pipeline.formats.base import StoredRecord
from pipeline.formats.record import ImageRecord, Placement
from pipeline.storage import Location, Ranges, StagedFile, open_ranges

WRITER_VERSION: int = 1
"""Part of the output digest: raise it when the same records would give other bytes."""

_BEGIN: Final = len(chunks.SIGNATURE)
_REMEDY: Final = "remove the file and run the shardmill command again: it is made anew"


class ArrayRecordWriter:
    """Has the library write the records of one shard into a staged file; publishes nothing.

    Args:
        file: the shard.
        wrap: returns what stands before and after the image of a record.

    Raises:
        EnvironmentRefused: the library is not installed.
        ShardmillError: the file cannot be written.
    """

    def __init__(
        self, file: StagedFile, wrap: Callable[[ImageRecord], tuple[bytes, bytes]]
    ) -> None:
        self._file, self._wrap, self._end = file, wrap, _BEGIN
        writer = library().ArrayRecordWriter
        self._writer = self._asked(writer, os.fsencode(file.temp), OPTIONS)

    def write(self, record: ImageRecord) -> Placement:
        """Append a record.

        Raises:
            ShardmillError: the file cannot be written.
        """
        before, after = self._wrap(record)
        data = b"".join((before, record.encoded, after))
        begin, self._end = self._end, chunks.record_end(self._end, len(data))
        self._asked(self._writer.write, data)
        return Placement(begin, self._end - begin)

    def finish(self) -> None:
        """Have the library write the footer; look whether it has written what was expected.

        Raises:
            EnvironmentRefused: it has not: this is another release of the library.
            ShardmillError: the file cannot be written.
        """
        self._asked(self._writer.close)
        with open_ranges(self._file.temp) as written:
            self._check_layout(written)
            self._file.follow(written.info.size)

    def _check_layout(self, written: Ranges) -> None:
        try:
            begin = _footer_offset(written)
        except OutputDamaged as error:
            raise other_layout(self._end, str(error.found)) from error
        if begin != self._end:
            raise other_layout(self._end, f"one at byte {begin}")

    def _asked(self, ask: Callable[..., Any], *words: object) -> Any:
        try:
            return ask(*words)
        except RuntimeError as error:
            raise refused(error, self._file.temp) from error


def read_records(path: Location) -> Iterator[StoredRecord]:
    """Yield the records of a shard in order, all that is said of them and of the file checked.

    The hashes in the file are not, see `chunks`. Holds one record in memory.

    Raises:
        OutputDamaged: the file is missing or not as it is written.
    """
    if storage.stat(path) is None:
        raise OutputDamaged("the shard is missing", file=str(path), remedy=_REMEDY)
    with open_ranges(path) as file:
        end = _footer_offset(file)
        if bytes(file.read(0, _BEGIN)) != chunks.SIGNATURE:
            raise _damaged(file, "byte 0", "not the beginning of a Riegeli file")
        begin, entries = _BEGIN, list[bytes]()
        while begin < end:
            record = _record(file, begin, len(entries) + 1)
            entries.append(footer.entry(begin, len(record.data)))
            yield record
            begin += record.length
        try:
            found, behind = _chunk(file, end)
            footer.check_footer(found, entries)
            last = file.info.size - chunks.BLOCK
            if behind < last:
                padding, behind = _chunk(file, behind)
                if not chunks.is_padding(padding):
                    raise ValueError("something behind the footer")
            if begin != end or behind != last:
                raise ValueError(f"a footer from {end} to {behind} in {file.info.size} bytes")
        except ValueError as error:
            raise _damaged(file, f"the footer, byte {end}", str(error)) from error


def unframed(view: memoryview, offset: int) -> StoredRecord | None:
    """Return the record that a view of a shard holds, unchecked; None: it holds no chunk of one."""
    try:
        content = chunks.without_headers(view, offset, checked=False)
        (data,) = chunks.records(chunks.chunk(content))
    except ValueError:
        return None
    return StoredRecord(offset, len(view), data)


def _record(file: Ranges, begin: int, number: int) -> StoredRecord:
    try:
        found, end = _chunk(file, begin)
        (data,) = chunks.records(found)
    except ValueError as error:
        raise _damaged(file, f"record {number}, byte {begin}", str(error)) from error
    return StoredRecord(begin, end - begin, data)


def _chunk(file: Ranges, begin: int) -> tuple[chunks.Chunk, int]:
    """Return the chunk that begins at a place, and where it ends.

    Raises:
        ValueError: there is none.
    """
    length = chunks.end_of(begin, chunks.HEADER_SIZE) - begin
    view = file.read(begin, length)
    header = chunks.without_headers(view, begin, checked=False)
    if len(view) < length:
        raise ValueError("a chunk that is cut short")
    end = chunks.end_of(begin, chunks.HEADER_SIZE + chunks.data_size(header))
    if end > file.info.size:
        raise ValueError(f"a chunk to byte {end} of {file.info.size}")
    whole = file.read(begin, end - begin)
    return chunks.chunk(chunks.without_headers(whole, begin)), end


def _footer_offset(file: Ranges) -> int:
    """Return where the footer begins, which the last block says."""
    size = file.info.size
    last = size - chunks.BLOCK
    if last < chunks.BLOCK or last % chunks.BLOCK:
        raise _damaged(file, "the end", f"{size} bytes, which are not two or more blocks")
    try:
        found, behind = _chunk(file, last)
        offset = footer.footer_offset(found)
        padding, behind = _chunk(file, behind)
        if not chunks.is_padding(padding) or behind != size:
            raise ValueError("something behind the postscript")
        if not _BEGIN <= offset < last:
            raise ValueError(f"a footer at byte {offset}")
    except ValueError as error:
        raise _damaged(file, f"the postscript, byte {last}", str(error)) from error
    return offset


def _damaged(file: Ranges, place: str, found: str) -> OutputDamaged:
    what = "the shard is not as it was written"
    return OutputDamaged(what, file=str(file.path), place=place, found=found, remedy=_REMEDY)
