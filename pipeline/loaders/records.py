"""The records of a finished output by their number: random access through the shards' indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, SupportsIndex, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline import storage
from pipeline.errors import OutputDamaged, UsageError
from pipeline.formats.record import ParsedRecord
from pipeline.loaders.example import Example, example
from pipeline.loaders.layouts import LAYOUTS, Layout, spans
from pipeline.loaders.order import Order
from pipeline.loaders.shards import ROOT, Shards, open_shards
from pipeline.state.current import REMEDY
from pipeline.storage import RemoteOptions, SourceReader

_Made = TypeVar("_Made")
_GAP: Final = 1 << 12  # bytes between two records that are read with them; headers of a tar are
_RUN: Final = 1 << 19  # bytes; checksums of what is still in the processor's cache cost half


@dataclass(slots=True)
class _Run:
    """Records that follow each other in a shard, and are read at once."""

    shard: int
    begin: int
    end: int
    places: list[int]
    spans: list[list[int]]

    def takes(self, shard: int, place: int, span: list[int]) -> bool:
        """Whether a record follows, and is one more of them then."""
        if shard != self.shard or not 0 <= span[0] - self.end <= _GAP:
            return False
        if span[0] + span[1] - self.begin > _RUN:
            return False
        self.end = span[0] + span[1]
        self.places.append(place)
        self.spans.append(span)
        return True


class Records:
    """The records of one split, numbered from 0 over its shards by name.

    It may be read by several threads, after a fork, and in a process that it was sent to.

    Args:
        shards: where they are.
        layout: of their format.
        decode: whether images are decoded.
    """

    def __init__(self, shards: Shards, layout: Layout, *, decode: bool = True) -> None:
        self.shards = shards
        self.decode = decode
        self._layout = layout
        self._counts = tuple(shard.records for shard in shards.listed)
        self._spans: dict[int, NDArray[np.int64]] = {}
        self._paths: dict[int, str] = {}
        self._idle: list[SourceReader] = []  # readers that no thread uses now

    @property
    def identity(self) -> str:
        """A digest of which records there are under which numbers, wherever they lie."""
        return self.shards.identity

    def order(self, seed: int | None) -> Order:
        """Return the order of epochs by a seed, or by number."""
        return Order(self._counts, seed)

    def index(self, shard: int) -> Path:
        """Return where the index of a shard can be read, once it is there; see `Shards.path`."""
        return self.shards.path(self._layout.index_name(self.shards.listed[shard].file))

    def __len__(self) -> int:
        """Return how many there are."""
        return self.shards.records

    def __getitem__(self, number: SupportsIndex) -> Example:
        """Return what a record says.

        Args:
            number: of the record; one below 0 counts from the end.

        Raises:
            IndexError: there is no such record.
            OutputDamaged: shard or index is missing, or not as it was written.
            BadImage: the image cannot be decoded.
            ShardmillError: a file cannot be read, or fetched into the cache.
        """
        return self.made_of(number, self._example)

    def made_of(
        self, number: SupportsIndex, make: Callable[[ParsedRecord, list[int]], _Made]
    ) -> _Made:
        """Return what a function makes of a record and the label of each of its objects.

        The image of the record is a view that is valid inside the function.

        Raises:
            ShardmillError: see `__getitem__`; and what `make` raises.
        """
        reader = self._reader()
        try:
            data, span, name = self._data(reader, *self.shards.place(number))
            record = self._layout.parse(data, span, name)
            return make(record, self._layout.object_labels(record, self.shards.label_offset))
        finally:
            self._idle.append(reader)

    def batch(
        self, numbers: Sequence[int], memory: Callable[[int], memoryview]
    ) -> list[tuple[ParsedRecord, list[int]]]:
        """Return what some records say, and the label of each object of each.

        Those that follow each other in a shard are read at once.

        Args:
            numbers: of the records.
            memory: returns memory of so many bytes. Images are views of it.

        Raises:
            ShardmillError: see `__getitem__`.
        """
        runs = self._runs(numbers)
        view = memory(sum(run.end - run.begin for run in runs))
        reader = self._reader()
        try:
            rows, at = list[tuple[ParsedRecord, list[int]]](), 0
            for run in runs:
                size = run.end - run.begin
                rows += self._read_run(reader, run, view[at : at + size])
                at += size
        finally:
            self._idle.append(reader)
        return rows

    def _runs(self, numbers: Sequence[int]) -> list[_Run]:
        runs = list[_Run]()
        for number in numbers:
            shard, place = self.shards.place(number)
            span: list[int] = self._spans_of(shard)[place].tolist()
            if not (runs and runs[-1].takes(shard, place, span)):
                runs.append(_Run(shard, span[0], span[0] + span[1], [place], [span]))
        return runs

    def _read_run(
        self, reader: SourceReader, run: _Run, view: memoryview
    ) -> Iterator[tuple[ParsedRecord, list[int]]]:
        path, offset = self._path(run.shard), self.shards.label_offset
        there = run.begin + reader.read_into(path, run.begin, view)
        for place, span in zip(run.places, run.spans, strict=True):
            begin = span[0] - run.begin
            if span[0] + span[1] > there:
                raise _cut_short(path, span, max(0, there - span[0]))
            data = view[begin : begin + span[1]]
            record = self._layout.parse(data, span, f"{path}, record {place + 1}")
            yield record, self._layout.object_labels(record, offset)

    def stored(self, number: int) -> bytes:
        """Return what stands in the framing of a record, such as a serialised Example.

        Raises:
            ShardmillError: see `__getitem__`.
        """
        reader = self._reader()
        try:
            return self._layout.stored(*self._data(reader, *self.shards.place(number))).tobytes()
        finally:
            self._idle.append(reader)

    def __iter__(self) -> Iterator[Example]:
        """Give every record, by number."""
        return (self[number] for number in range(len(self)))

    def _example(self, record: ParsedRecord, object_labels: list[int]) -> Example:
        return example(record, object_labels, decoded=self.decode)

    def _reader(self) -> SourceReader:
        """Return a reader that no other thread has; it goes back among the idle ones."""
        try:
            return self._idle.pop()  # at once, whatever other threads do
        except IndexError:
            return SourceReader(ROOT)

    def _data(
        self, reader: SourceReader, shard: int, place: int
    ) -> tuple[memoryview, list[int], str]:
        """Return the bytes of a record, its span, and what an error shall name as its file.

        They are a view that is valid until the reader reads again.
        """
        span: list[int] = self._spans_of(shard)[place].tolist()
        path = self._path(shard)
        data = reader.read(path, span[0], span[1])
        if len(data) < span[1]:
            raise _cut_short(path, span, len(data))
        return data, span, f"{path}, record {place + 1}"

    def _spans_of(self, shard: int) -> NDArray[np.int64]:
        found = self._spans.get(shard)
        if found is None:
            path = self.index(shard)
            found = spans(self._layout, _content(path), self._counts[shard], str(path))
            self._spans[shard] = found
        return found

    def _path(self, shard: int) -> str:
        path = self._paths.get(shard)
        if path is None:
            path = self._paths[shard] = str(self.shards.path(self.shards.listed[shard].file))
        return path

    def __getstate__(self) -> Mapping[str, Any]:
        return {**self.__dict__, "_idle": [], "_spans": {}}


def open_records(
    out: str | Path,
    split: str,
    *,
    shard_format: str | None = None,
    decode: bool = True,
    cache: str | Path | None = None,
    remote: RemoteOptions | None = None,
) -> Records:
    """Return the records of the output that is current now; no shard is read or fetched.

    Args:
        out: the output folder, or its address in S3.
        split: such as ``train``.
        shard_format: ``tfrecord`` or ``webdataset``; None: the first of these that there is.
        decode: whether images are decoded.
        cache: folder of this machine that files are fetched to; see `pipeline.loaders.file_cache`.
        remote: how a store is reached.

    Raises:
        UsageError: no such format is read; see also `open_shards`.
        ShardmillError: see there.
    """
    if shard_format is not None and shard_format not in LAYOUTS:
        raise UsageError(
            "shard_format: records of this format are not read one by one",
            expected=" or ".join(LAYOUTS),
            found=shard_format,
        )
    formats = (shard_format,) if shard_format else tuple(LAYOUTS)
    shards = open_shards(out, split, formats, cache=cache, options=remote)
    return Records(shards, LAYOUTS[shards.format], decode=decode)


def _content(path: Path) -> bytes:
    if storage.stat(path) is None:
        raise OutputDamaged("the index of a shard is missing", file=str(path), remedy=REMEDY)
    return storage.read_bytes(path)


def _cut_short(path: str, span: list[int], found: int) -> OutputDamaged:
    return OutputDamaged(
        "the shard is cut short",
        file=path,
        place=f"byte {span[0]}",
        expected=f"a record of {span[1]} bytes",
        found=f"{found} bytes, then the end",
        remedy=REMEDY,
    )
