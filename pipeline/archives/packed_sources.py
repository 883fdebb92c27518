"""Images read where their rows say they lie, also in zip archives and Parquet files.

Of a source whose name ends in ``.zip`` a place is no range of bytes: the offset is that of the name
of a member, behind the `LOCAL_HEADER` bytes of its header, and the length that of its content. Such
a member is read by one range, inflated if it is packed, and checked by its CRC-32. Of a source
whose name ends in ``.parquet`` the offset is the row, from 1; see `parquet_sources`. One whose name
ends in ``.tars`` is a folder of tars, which is read as one tar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import storage
from pipeline.archives.parquet_names import is_parquet
from pipeline.archives.parquet_sources import ParquetSources
from pipeline.archives.zip import Span, ZipMember, read_members, spans
from pipeline.archives.zip_index import LOCAL_HEADER, read_index
from pipeline.errors import ArchiveRefused
from pipeline.storage import FileInfo, Location, Sources, TarFolderReader, is_tar_folder
from pipeline.storage.closing import Closing

ZIP: Final = ".zip"
"""What names of zip archives end in, in lower case."""
MOST_BYTES: Final = 1 << 30
"""Bytes of a member at most."""


def is_zip(source: str) -> bool:
    """Whether images in a source are members of a zip archive."""
    return source[-len(ZIP) :].lower() == ZIP


@lru_cache(maxsize=1 << 10)
def is_packed(source: str) -> bool:
    """Whether images in a source are read as what it holds, and not as bytes of it."""
    return is_parquet(source) or is_zip(source) or is_tar_folder(source)


def place_of(member: ZipMember) -> int:
    """Return the offset by which a member of a zip archive is read."""
    return member.offset + LOCAL_HEADER


def open_sources(root: Location, *, whole_files: bool = False) -> Sources:
    """Return what reads images below a folder; arguments as of `storage.open_sources`."""
    opened = storage.open_sources(root, whole_files=whole_files)
    return opened if whole_files else _PackedSources(opened)


def members(source: Sources, name: str) -> Iterator[tuple[ZipMember, bytes]]:
    """Yield the members of an archive with their contents, in its order; folders are left out.

    Args:
        source: what the archive is read from.
        name: its name there.

    Raises:
        ArchiveRefused: it is no zip archive, is damaged, or holds what is not read; a member has
            more than `MOST_BYTES`.
    """
    archive = _Archive.opened(source, name)
    where = _Ranges(source, name)
    yield from read_members(where, spans(archive.index), archive.file, most=MOST_BYTES)


@dataclass(frozen=True, eq=False)
class _Archive:
    """The members of an archive.

    Attributes:
        file: what errors call it.
        index: a table of `zip_index.INDEX_SCHEMA`, by offset.
        offsets: (n,) where the header of each begins.
    """

    file: str
    index: pa.Table
    offsets: NDArray[np.int64]

    @staticmethod
    def opened(sources: Sources, name: str) -> _Archive:
        file, info = str(sources.path(name)), sources.look(name)
        size = 0 if info is None else info.size
        index = read_index(_Ranges(sources, name), size, file, with_folders=True)
        index = index.combine_chunks()
        return _Archive(file, index, index["offset"].to_numpy())

    def span(self, offset: int) -> Span:
        """Return the range of the member of a place.

        Raises:
            ArchiveRefused: there is none.
        """
        row = int(np.searchsorted(self.offsets, offset - LOCAL_HEADER))
        if row == len(self.offsets) or self.offsets[row] != offset - LOCAL_HEADER:
            raise ArchiveRefused(
                "the archive has no member where an image should be",
                file=self.file,
                place=f"offset {offset - LOCAL_HEADER}",
                remedy="the file changed after it was read: run the same command again",
            )
        return spans(self.index.slice(row, 1))[0]


@dataclass(frozen=True, eq=False)
class _Ranges:
    """One archive as `read_members` reads it."""

    sources: Sources
    name: str

    def read(self, offset: int, length: int, /) -> memoryview:
        return self.sources.read(self.name, offset, length)

    def will_need(self, offset: int, length: int, /) -> None:
        self.sources.will_need(self.name, offset, length)

    def not_cached(self, offset: int, length: int, /) -> None:
        self.sources.not_cached(self.name, offset, length)


class _PackedSources(Closing):
    """Reads members of zip archives as what they hold, and all else as it stands."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._archives: dict[str, _Archive] = {}
        self._parquet = ParquetSources(sources)
        self._folders: dict[str, TarFolderReader] = {}
        self._before_reuse: Callable[[], None] | None = None

    @property
    def root(self) -> Location:
        return self._sources.root

    def path(self, source: str) -> Location:
        return self._sources.path(source)

    def look(self, source: str) -> FileInfo | None:
        if is_tar_folder(source):
            return storage.stat(self.path(source))
        return self._sources.look(source)

    def now(self, source: str) -> FileInfo:
        if is_tar_folder(source):
            return self._folder(source).now()
        return self._sources.now(source)

    def stamp(self, source: str) -> int:
        return self._sources.stamp(source)

    def will_need(self, source: str, offset: int, length: int) -> None:
        if not is_packed(source):
            self._sources.will_need(source, offset, length)
            return
        if is_parquet(source):
            self._parquet.will_need(source, offset - 1)
            return
        if is_tar_folder(source):
            self._folder(source).will_need(offset, length)
            return
        span = self._archive(source).span(offset)
        self._sources.will_need(source, span.offset, span.length)

    def not_cached(self, source: str, offset: int, length: int) -> None:
        if is_parquet(source):
            self._parquet.forget(source, offset - 1)
            return
        if is_tar_folder(source):
            self._folder(source).not_cached(offset, length)
            return
        if is_zip(source):
            span = self._archive(source).span(offset)
            offset, length = span.offset, span.length
        self._sources.not_cached(source, offset, length)

    def keep_views(self, before_reuse: Callable[[], None]) -> bool:
        kept = self._sources.keep_views(before_reuse)
        self._before_reuse = before_reuse if kept else None
        return kept

    def read(self, source: str, offset: int, length: int) -> memoryview:
        if not is_packed(source):
            return self._sources.read(source, offset, length)
        if self._before_reuse is not None:  # what is unpacked is valid until the next call
            self._before_reuse()
        if is_parquet(source):
            return self._parquet.image(source, offset - 1)[:length]
        if is_tar_folder(source):
            return self._folder(source).read(offset, length)
        archive = self._archive(source)
        wanted = [archive.span(offset)]
        ((_, content),) = read_members(
            _Read(self._sources, source), wanted, archive.file, most=MOST_BYTES
        )
        return memoryview(content)[:length]

    def read_whole(self, source: str, length: int) -> tuple[memoryview, int]:
        return self._sources.read_whole(source, length)

    def close(self) -> None:
        self._parquet.close()
        for folder in self._folders.values():
            folder.close()
        self._folders = {}
        self._sources.close()

    def _folder(self, source: str) -> TarFolderReader:
        known = self._folders.get(source)
        if known is None:
            place = storage.on_this_machine(self._sources.path(source))
            known = self._folders[source] = TarFolderReader(place)
        return known

    def _archive(self, source: str) -> _Archive:
        known = self._archives.get(source)
        if known is None:
            known = self._archives[source] = _Archive.opened(self._sources, source)
        return known


class _Read(_Ranges):
    """An archive of which a range was announced already."""

    def will_need(self, offset: int, length: int, /) -> None:
        del offset, length
