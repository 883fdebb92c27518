"""Images in many Parquet files, read in any order: each row group is decoded once.

Who reads forward, file after file and row after row, is given images from the row group that was
decoded last. Who goes back, as shuffled shards do, would decode a row group for each image. So from
then on each group is unpacked into a file of this host, once for all processes, and its images are
read from there by ranges. Where that cannot be, such as for want of room or where nothing may be
written, groups are decoded again and again: no error of such a file ends a job.

Such a file has the offset of each image, and where the last one ends, 64-bit numbers of this
machine; then the images, one after another.
"""

from __future__ import annotations

import contextlib
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import storage
from pipeline.archives.parquet_rows import ParquetRows, RowGroups
from pipeline.errors import ShardmillError
from pipeline.storage import Buffer, Sources

_MOST_OPEN: Final = 64  # Parquet files
_NUMBER: Final = np.dtype(np.int64)
_NOTHING: Final = memoryview(b"")


class ParquetSources:
    """Reads images of Parquet files below a folder.

    The view that `image` returns is valid until the next call.

    Args:
        sources: says where the files lie.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._tables: dict[str, ParquetRows] = {}
        self._groups: dict[str, RowGroups] = {}
        self._held: ParquetRows | None = None
        self._announced, self._read = _InOrder(), _InOrder()
        self._unpacked: Sources | None = None
        self._offsets: dict[str, NDArray[np.int64]] = {}  # by the name of what was unpacked
        self._distrusted = set[str]()  # likewise: groups that are decoded, whatever was unpacked

    def will_need(self, source: str, row: int) -> None:
        """Say that the image of a row, from 0, will be read soon."""
        found = self._groups_of(source).of(row)
        if found is None:
            return
        group, place = found
        self._announced.note(source, group)
        if self._goes_back and self._unpacked is not None:
            name = self._name(source, group)
            offsets = self._offsets.get(name)
            if offsets is not None:
                start = int(offsets[place])
                with contextlib.suppress(ShardmillError):  # whoever reads it sees to that
                    self._unpacked.will_need(name, start, int(offsets[place + 1]) - start)

    def image(self, source: str, row: int) -> memoryview:
        """Return the image of a row, from 0; no bytes where there is none, or no such row.

        Raises:
            ArchiveRefused: the file is damaged, or none of images.
        """
        found = self._groups_of(source).of(row)
        if found is None:
            return _NOTHING
        self._read.note(source, found[0])
        if not self._goes_back:
            return self._table(source).image(row)
        try:
            return self._from_unpacked(source, *found)
        except ShardmillError:  # another command has given it up, or nothing can be kept there
            self._offsets.pop(self._name(source, found[0]), None)
            return self._table(source).image(row)  # raises it again if the file is what is damaged

    def forget(self, source: str, row: int) -> None:
        """Have the image of a row decoded anew when it is asked for again."""
        self._table(source).forget()
        found = self._groups_of(source).of(row)
        if found is not None and self._goes_back:
            name = self._name(source, found[0])
            self._close_unpacked()
            self._offsets.pop(name, None)
            try:
                storage.forget_unpacked(storage.unpacked_folder(self._sources.root) / name)
            except ShardmillError:  # it stays where it is
                self._distrusted.add(name)

    def close(self) -> None:
        """Give up what is held open."""
        for table in self._tables.values():
            table.close()
        self._tables, self._held = {}, None
        self._close_unpacked()

    def _close_unpacked(self) -> None:
        if self._unpacked is not None:
            self._unpacked.close()

    @property
    def _goes_back(self) -> bool:
        return self._announced.goes_back or self._read.goes_back

    def _groups_of(self, source: str) -> RowGroups:
        known = self._groups.get(source)
        if known is None:
            known = self._groups[source] = self._table(source).groups
        return known

    def _from_unpacked(self, source: str, group: int, place: int) -> memoryview:
        name = self._name(source, group)
        offsets = self._offsets.get(name)
        if offsets is None and name not in self._distrusted:
            offsets = self._offsets_of(source, group, name)
        if offsets is None or self._unpacked is None:  # there is no room
            return self._table(source).image(self._groups[source].starts[group] + place)
        start = int(offsets[place])
        return self._unpacked.read(name, start, int(offsets[place + 1]) - start)

    def _offsets_of(self, source: str, group: int, name: str) -> NDArray[np.int64] | None:
        """Return where the images of a group were unpacked to, now if not earlier; None: no room.

        What a machine that lost its power has left half written is unpacked again.
        """
        folder = storage.unpacked_folder(self._sources.root)
        path = folder / name
        if self._unpacked is None:
            self._unpacked = storage.open_sources(folder)
        if storage.is_unpacked(path):
            starts = self._groups[source].starts
            size = (starts[group + 1] - starts[group] + 1) * _NUMBER.itemsize
            offsets = _offsets_in(self._unpacked.read(name, 0, size), size)
            if offsets is not None and offsets[-1] == self._unpacked.now(name).size:
                self._offsets[name] = offsets
                return offsets
            self._close_unpacked()
            storage.forget_unpacked(path)
        table = self._table(source)
        offsets, content = _packed(table.images(group))
        if not storage.keep_unpacked(path, [offsets.tobytes(), content]):
            return None
        table.forget()
        self._offsets[name] = offsets
        return offsets

    def _name(self, source: str, group: int) -> str:
        return storage.unpacked_name(f"{self._groups[source].identity}\0{group}")

    def _table(self, source: str) -> ParquetRows:
        """Return a Parquet file; of all but this one no row group is held."""
        known = self._tables.get(source)
        if known is None:
            while len(self._tables) >= _MOST_OPEN:
                self._tables.pop(next(iter(self._tables))).close()
            known = self._tables[source] = ParquetRows(self._sources.path(source))
        if self._held is not None and self._held is not known:
            self._held.forget()
        self._held = known
        return known


class _InOrder:
    """Notices when row groups are not asked for forward, file after file by their names."""

    def __init__(self) -> None:
        self.goes_back = False
        self._last = ("", 0)

    def note(self, source: str, group: int) -> None:
        """Take in that a group is asked for."""
        self.goes_back = self.goes_back or (source, group) < self._last
        self._last = (source, group)


def _packed(images: pa.Array) -> tuple[NDArray[np.int64], Buffer]:
    """Return the offsets of images behind these offsets, and their bytes."""
    _, ends, content = images.buffers()
    kind = np.int64 if pa.types.is_large_binary(images.type) else np.int32
    count = len(images)
    offsets = np.frombuffer(ends, kind)[images.offset : images.offset + count + 1]
    first, last = (int(offsets[0]), int(offsets[-1])) if count else (0, 0)
    moved = offsets.astype(_NUMBER) - first + (count + 1) * _NUMBER.itemsize
    return moved, memoryview(content)[first:last] if content is not None else b""


def _offsets_in(head: memoryview, size: int) -> NDArray[np.int64] | None:
    """Return the offsets that a file has in its first `size` bytes; None: they are none."""
    if len(head) != size:  # it was cut
        return None
    offsets = np.frombuffer(bytes(head), _NUMBER)
    return offsets if offsets[0] == size and (np.diff(offsets) >= 0).all() else None
