"""The archives of masks: read where they lie, by ranges, or whole where most of one is needed.

What is in an archive is indexed once for an output folder, whoever reads it later.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import manifest, storage
from pipeline.archives.zip import Span
from pipeline.archives.zip_index import INDEX_SCHEMA, read_index
from pipeline.documents.openimages import ZipIndexMark
from pipeline.errors import (
    ArchiveMissing,
    ArchiveRefused,
    NoPermission,
    NoRanges,
    NoSpace,
)
from pipeline.sources.openimages import places, published
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.published import Say
from pipeline.storage import Location
from pipeline.storage import table_bounds as tablebounds

WHOLE: Final = 3
"""An archive is fetched whole where more than one part in so many of it is needed."""
_ROW_GROUP: Final = 1 << 13  # as they are packed, many take much memory
_PARQUET: Final[dict[str, Any]] = {"compression": "zstd", "use_dictionary": False}


@dataclass(frozen=True)
class ArchiveAt:
    """An archive of masks, and how it may be reached.

    Attributes:
        out: the output folder, which keeps its index.
        file: which archive.
        raw: the folder where it is looked for, and put.
        offline: whether nothing may be fetched.
        say: told what a person should know.
    """

    out: Path
    file: PublishedFile
    raw: Path
    offline: bool = False
    say: Say = lambda _text: None

    @property
    def name(self) -> str:
        """Its file name."""
        return self.file.name

    @property
    def index_path(self) -> Path:
        """Where its index lies."""
        return places.mask_index(self.out, self.name)

    @property
    def index_mark(self) -> Path:
        """The mark of its index."""
        return storage.with_suffix(self.index_path, ".json")


class OpenArchive:
    """An archive whose ranges are read, see `pipeline.archives.zip.ZipSource`.

    Attributes:
        place: its path or address.
        info: its size and stamp.
        md5: of the whole of it, in hex, if that is known.
    """

    def __init__(
        self, sources: storage.Sources, name: str, info: storage.FileInfo, md5: str | None
    ) -> None:
        self.md5 = md5
        self.place = sources.path(name)
        self.info = info
        self._sources = sources
        self._name = name

    def read(self, offset: int, length: int, /) -> memoryview:
        """Return up to `length` bytes at `offset`, valid until the next call."""
        return self._sources.read(self._name, offset, length)

    def will_need(self, offset: int, length: int, /) -> None:
        """Say that a range will be read soon, behind those that were said before."""
        self._sources.will_need(self._name, offset, length)

    def not_cached(self, offset: int, length: int, /) -> None:
        """Have a range read from where it is stored when it is asked for again."""
        self._sources.not_cached(self._name, offset, length)


def index_of(archive: ArchiveAt) -> pa.Table:
    """Return the members of an archive, a table of `zip_index.INDEX_SCHEMA`.

    They are read where no task of this output folder has done so. Of an archive whose MD5 is
    pinned, and whose members are known, nothing is asked.

    Raises:
        InputRefused: it is not there, and may or can not be fetched; it is no zip archive, or
            another one than is pinned.
        ShardmillError: it cannot be read.
    """
    mark = _mark(archive)
    if mark is not None and _is_pinned(mark, archive.file):
        return _loaded(archive)
    with open_archive(archive) as source:
        if mark is not None and _is_same(mark, source):
            return _loaded(archive)
        index = read_index(source, source.info.size, str(source.place))
    pa.default_memory_pool().release_unused()  # the list of members as it stands in the archive
    with storage.StagedFile(archive.index_path) as staged:
        with (
            staged.stream() as stream,
            pq.ParquetWriter(stream, INDEX_SCHEMA, **_PARQUET) as sink,
        ):
            sink.write_table(index, row_group_size=_ROW_GROUP)
        document = {**_of_source(archive, source), "members": index.num_rows}
        manifest.publish([staged], archive.index_mark, archive.out, document)
    return index


@contextlib.contextmanager
def open_archive(archive: ArchiveAt, wanted: Sequence[Span] = ()) -> Iterator[OpenArchive]:
    """Open an archive where it lies; fetch it whole first, where most of it is wanted.

    Args:
        archive: which.
        wanted: the ranges that will be read of it, beside its list of members.

    Raises:
        InputRefused: it is not there, and may or can not be fetched; it has another size or MD5
            than is pinned.
        ShardmillError: it cannot be read.
    """
    place = _place(archive, wanted)
    with storage.open_sources(place.parent) as sources:
        info = sources.look(place.name)
        if info is None:
            what, remedy = "there is no such archive", f"put it into {archive.raw}"
            raise ArchiveMissing(what, file=str(place), remedy=remedy)
        mark = _mark(archive)
        source = OpenArchive(sources, place.name, info, mark.md5 if mark else None)
        if mark is None or not _is_same(mark, source):
            source.md5 = _verified(archive, source)
            if mark is not None and _is_pinned(mark, archive.file):
                document = {**_of_source(archive, source), "members": mark.members}
                manifest.publish((), archive.index_mark, archive.out, document, listed=mark.files)
        yield source


def _place(archive: ArchiveAt, wanted: Sequence[Span]) -> Location:
    """Return where an archive is read; what is worth it is fetched there."""
    file, raw = archive.file, archive.raw
    path = published.find(file, raw)
    if path is not None:
        return path
    if archive.offline or not file.url:
        return _fetched(archive)  # which refuses it
    place = storage.parse(file.url, "the address of an archive")
    try:
        info = storage.stat(place)
        needed = sum(span.length for span in wanted)
        if info is None or needed * WHOLE <= info.size:
            return place
        archive.say(
            f"{file.name}: {needed:,} of {info.size:,} bytes are needed, so all of it is fetched"
        )
    except NoRanges:
        archive.say(f"{file.name}: its server sends whole files only, so all of it is fetched")
        return _fetched(archive)
    try:
        return _fetched(archive)
    except (NoPermission, NoSpace) as error:
        archive.say(f"{file.name}: it is read by ranges, because {error.brief}")
        return place


def _fetched(archive: ArchiveAt) -> Path:
    return published.fetch(archive.file, archive.raw, offline=archive.offline, say=archive.say).path


def _verified(archive: ArchiveAt, source: OpenArchive) -> str | None:
    """Return the MD5 of an archive: of a local one as it is, else as its server tells it.

    Raises:
        InputRefused: size or MD5 are not those that are pinned.
    """
    if isinstance(source.place, Path):
        return published.verify(archive.file, source.place).md5
    file, told = archive.file, storage.told_md5(source.place)
    if source.info.size == (file.bytes or source.info.size) and told in {None, file.md5 or told}:
        return told
    raise ArchiveRefused(
        "the server has another archive than the published one",
        file=str(source.place),
        expected=f"{file.bytes or source.info.size:,} bytes, MD5 {file.md5 or 'not known'}",
        found=f"{source.info.size:,} bytes" + (f", MD5 {told}" if told else ""),
        remedy=f"get the published one and put it into {archive.raw}, or mend the table of files",
    )


def _mark(archive: ArchiveAt) -> ZipIndexMark | None:
    return manifest.read_complete(archive.index_mark, archive.out, ZipIndexMark)


def _is_pinned(mark: ZipIndexMark, file: PublishedFile) -> bool:
    """Whether an index is of the archive that is pinned, as whoever keeps it has told its MD5."""
    return mark.md5 is not None and mark.md5 == file.md5


def _is_same(mark: ZipIndexMark, source: OpenArchive) -> bool:
    """Whether an index was read of an archive where it lies, and it looks as it did then."""
    info = source.info
    return (mark.place, mark.size, mark.stamp) == (str(source.place), info.size, info.stamp)


def _of_source(archive: ArchiveAt, source: OpenArchive) -> manifest.Document:
    return {
        "archive": archive.name,
        "place": str(source.place),
        "size": source.info.size,
        "stamp": source.info.stamp,
        "md5": source.md5,
    }


def _loaded(archive: ArchiveAt) -> pa.Table:
    """Return an index that was published.

    Raises:
        OutputDamaged: it is not what was written.
    """
    with storage.open_arrow(archive.index_path) as file:
        table = pq.ParquetFile(file)
        tablebounds.check_groups(table, file)
        index = table.read(use_threads=False)
        storage.check_table(index, INDEX_SCHEMA)
        return index
