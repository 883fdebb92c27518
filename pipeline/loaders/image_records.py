"""Image records of RecordIO shards by number: found by the indexes, each read at once."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.errors import OutputDamaged
from pipeline.formats.recordio.framing import FRAME_BYTES, MAGIC, read_records
from pipeline.formats.recordio.header import HEADER_BYTES, parse_header
from pipeline.formats.recordio.index import read_index
from pipeline.formats.registry import FORMATS
from pipeline.loaders.shards import ROOT, Shards
from pipeline.state.current import REMEDY
from pipeline.storage import SourceReader

NAME: Final = "recordio"
"""The format."""

_SUFFIX: Final = ".rec"
_OPENING: Final = struct.Struct("<III")  # of a record in one part: magic number, length, labels


class ImageRecords:
    """The image records of one split, numbered from 0 over its shards by name.

    It may be read after a fork and in a process that it was sent to, by one thread at a time.

    Args:
        shards: where they are.
    """

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._reader = SourceReader(ROOT)
        self._paths: dict[int, str] = {}
        self._bounds: dict[int, array[int]] = {}

    def payload(self, number: int) -> memoryview:
        """Return what stands in the framing of a record: header, labels and image, all there.

        It is a view that is valid until the next one is read.

        Args:
            number: of the record among all.

        Raises:
            IndexError: there is no such record.
            OutputDamaged: shard or index is missing, or not as it was written.
            ShardmillError: a file cannot be read, or fetched into the cache.
        """
        shard, place = self._shards.place(number)
        bounds = self._bounds.get(shard) or self._opened(shard)
        path, begin, end = self._paths[shard], bounds[place], bounds[place + 1]
        data = self._reader.read(path, begin, end - begin)
        if len(data) == end - begin >= FRAME_BYTES + HEADER_BYTES:
            magic, length, labels = _OPENING.unpack_from(data)
            is_whole = magic == MAGIC and FRAME_BYTES + length + -length % 4 == end - begin
            if is_whole and length >= HEADER_BYTES + 4 * labels:
                return data[FRAME_BYTES : FRAME_BYTES + length]
        return _unusual(path, place, begin, end)

    def _opened(self, shard: int) -> array[int]:
        """Return where the records of a shard begin, and where the last one ends."""
        listed = self._shards.listed[shard]
        _, name, *_ = FORMATS[NAME].files(listed.file.removesuffix(_SUFFIX))
        index = self._shards.path(name)
        _, bounds = read_index(index)
        if len(bounds) != listed.records:
            raise OutputDamaged(
                "the index is not of what the shard holds",
                file=str(index),
                expected=f"the offsets of {listed.records} records",
                found=f"{len(bounds)} records",
                remedy=REMEDY,
            )
        bounds.append(listed.bytes)
        self._paths[shard] = str(self._shards.path(listed.file))
        self._bounds[shard] = bounds
        return bounds

    def __getstate__(self) -> Mapping[str, Any]:
        return {**self.__dict__, "_reader": None, "_bounds": {}}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state, _reader=SourceReader(ROOT))


def _unusual(path: str, place: int, begin: int, end: int) -> memoryview:
    """Return the payload of a record that is cut in parts, or say what is wrong with it."""
    record = next(read_records(Path(path), begin, place), None)
    if record is None or record.length != end - begin:
        raise OutputDamaged(
            "the shard is not as its index says",
            file=path,
            place=f"record {place + 1}, byte {begin}",
            expected=f"a record of {end - begin} bytes",
            found="the end" if record is None else f"one of {record.length} bytes",
            remedy=REMEDY,
        )
    parse_header(record.data, file=f"{path}, record {place + 1}")
    return record.data
