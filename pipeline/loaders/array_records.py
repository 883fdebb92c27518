"""Records of ArrayRecord shards by number, read by the library, which checks the hashes in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, SupportsIndex

from pipeline.errors import OutputDamaged
from pipeline.formats.arrayrecord.library import library
from pipeline.formats.examples import quick
from pipeline.loaders.example import Example, example
from pipeline.loaders.layouts import object_labels
from pipeline.loaders.shards import Shards
from pipeline.state.current import REMEDY

NAME: Final = "arrayrecord"
"""The format."""

_OPTIONS: Final = "readahead_buffer_size:0,max_parallelism:0"  # which the library has for this use
_MOST_OPEN: Final = 128  # shards: each holds a descriptor


class ArrayRecords:
    """The records of one split, numbered from 0 over its shards by name.

    It may be read by several threads, after a fork, and in a process that it was sent to.

    Args:
        shards: where they are.
        decode: whether images are decoded.
    """

    def __init__(self, shards: Shards, *, decode: bool = True) -> None:
        self._shards = shards
        self._decode = decode
        self._readers: dict[int, Any] = {}

    @property
    def identity(self) -> str:
        """A digest of which records there are under which numbers, wherever they lie."""
        return self._shards.identity

    def __len__(self) -> int:
        """Return how many there are."""
        return self._shards.records

    def __getitem__(self, number: SupportsIndex) -> Example:
        """Return what a record says.

        Args:
            number: of the record; one below 0 counts from the end.

        Raises:
            IndexError: there is no such record.
            OutputDamaged: the shard is not as it was written.
            BadImage: the image cannot be decoded.
            ShardmillError: a file cannot be read, or fetched into the cache.
        """
        shard, place = self._shards.place(number)
        path = self._shards.path(self._shards.listed[shard].file)
        try:
            (data,) = self._reader(shard).read([place])
        except (RuntimeError, IndexError) as error:
            raise OutputDamaged(
                "a record of the shard cannot be read",
                file=str(path),
                place=f"record {place + 1}",
                found=str(error),
                remedy=REMEDY,
            ) from error
        record = quick.parse(memoryview(data), file=f"{path}, record {place + 1}")
        return example(record, object_labels(record), decoded=self._decode)

    def _reader(self, shard: int) -> Any:
        """Return the library's reader of a shard; another thread may open it, too."""
        reader = self._readers.get(shard)
        if reader is None:
            path = self._shards.path(self._shards.listed[shard].file)
            if len(self._readers) >= _MOST_OPEN:
                self._readers = {}  # those in use are closed when their threads are done
            reader = self._readers[shard] = library().ArrayRecordReader(str(path), _OPTIONS)
        return reader

    def __getstate__(self) -> Mapping[str, Any]:
        return {**self.__dict__, "_readers": {}}
