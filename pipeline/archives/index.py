"""The verified index of an archive: its MD5 and its members, from one sequential read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.archives.brokentar import BrokenTar
from pipeline.archives.identity import check_identity, of_right_md5
from pipeline.archives.member_hashes import SCHEMA as HASHES_SCHEMA
from pipeline.archives.member_hashes import MemberHasher
from pipeline.archives.passage import Passage, Progress, Read, read_once
from pipeline.archives.tar import BLOCK, Member, TarScanner
from pipeline.errors import ArchiveRefused, OutputDamaged
from pipeline.storage import Location
from pipeline.storage import table_bounds as tablebounds
from pipeline.storage.clutter import in_clutter

INDEX_SCHEMA = pa.schema(
    {
        "container": pa.dictionary(pa.int32(), pa.string()),
        "name": pa.string(),
        "offset": pa.int64(),
        "size": pa.int64(),
        "kind": pa.dictionary(pa.int32(), pa.string()),
    }
)
"""One row per member (`tar.Member`), in the order of the archive."""

_PARQUET = {"compression": "zstd", "use_dictionary": ["container", "kind"]}
_ROW_GROUP = 1 << 16
CheckMember = Callable[[Member], None]
CheckBroken = Callable[[BrokenTar], None]
ReadAll = Callable[[Callable[[memoryview], None], Progress], Read]
"""Reads all of an archive, shows it to the first, and tells the second how far it is."""


@dataclass(frozen=True)
class VerifiedArchive:
    """What was found in an archive that is the one it should be.

    Attributes:
        name: file name, without its folder.
        info: its size and stamp, the same before and after the read.
        md5: 32 lower-case hex digits.
        members: rows of its index, nested tars among them; 0 if it was not indexed.
        broken: nested tars that cannot be read; none of what is in them can be relied on.
    """

    name: str
    info: storage.FileInfo
    md5: str
    members: int
    broken: tuple[BrokenTar, ...] = ()


def verify_and_index(
    archive: Location,
    index: storage.StagedFile,
    hashes: storage.StagedFile,
    *,
    expected_md5: str | None,
    expected_size: int | None = None,
    nested: bool,
    progress: Progress = lambda _: None,
    check_first: CheckMember = lambda _: None,
    check_broken: CheckBroken | None = None,
    passage: Passage | None = None,
    read: ReadAll | None = None,
) -> VerifiedArchive:
    """Read a tar archive once, and write the index of its members; it is the right one, or refused.

    What is no tar by its first bytes, or has a first member that `check_first` refuses, is
    refused at once, and the rest is not read. So is a nested tar in the first MiB that is none;
    of one further on nobody knows yet whether the archive is the right one, which comes first.

    Args:
        archive: an uncompressed tar.
        index: a Parquet file of `INDEX_SCHEMA`, for the caller to publish; same archive, same
            bytes.
        hashes: an Arrow file of `member_hashes.SCHEMA`, likewise.
        expected_md5: 32 hex digits; None: not known.
        expected_size: bytes; decides only where the MD5 is not known.
        nested: whether members named ``*.tar`` are indexed too.
        progress: told the bytes read so far, every 16 MiB and at the end.
        check_first: given the first regular file that is no clutter, at the top level.
        check_broken: given a nested tar in the first MiB that is none by its first bytes, may
            raise its refusal. It also has other nested tars that cannot be read noted in what is
            returned, for the caller to judge; None: they refuse the archive.
        passage: what it is read from; None: the file.
        read: reads it where it is no plain tar, but what is packed in it is one.

    Raises:
        ArchiveMissing: there is no such file.
        ArchiveRefused: MD5 or size is wrong, or the archive is truncated or malformed.
        TransientError: the file changed while it was read.
    """
    scanner = TarScanner(str(archive), nested=nested, keep_broken=check_broken is not None)
    with (
        IndexWriter.of(index) as sink,
        hashes.stream() as beside,
        pa.ipc.new_file(beside, HASHES_SCHEMA) as hash_sink,
    ):
        hasher = MemberHasher(hash_sink, scanner.reads_inside)
        indexer = _Indexer(scanner, sink, hasher, check_first, check_broken)
        whole = (
            read_once(archive, passage, indexer.look, progress)
            if read is None
            else read(indexer.look, progress)
        )
        refusal = indexer.finish()
    faults = [*([refusal] if refusal else []), *(tar.refusal for tar in scanner.broken)]
    scan = faults[0] if faults else None
    check_identity(
        archive, whole.md5, whole.info.size, whole.head, (expected_md5, expected_size), scan
    )
    if refusal:
        raise of_right_md5(refusal) if expected_md5 is not None else refusal
    broken = tuple(
        replace(tar, refusal=of_right_md5(tar.refusal)) if expected_md5 is not None else tar
        for tar in scanner.broken
    )
    return replace(_verified(archive, whole), members=sink.members, broken=broken)


def verify_only(
    archive: Location,
    *,
    expected_md5: str | None,
    expected_size: int | None = None,
    progress: Progress = lambda _: None,
    passage: Passage | None = None,
) -> VerifiedArchive:
    """Read an archive of any kind once, for its MD5; arguments and errors of `verify_and_index`."""
    read = read_once(archive, passage, lambda _: None, progress)
    check_identity(
        archive, read.md5, read.info.size, read.head, (expected_md5, expected_size), None
    )
    return _verified(archive, read)


class ArchiveIndex:
    """An index that `verify_and_index` wrote: tables of `INDEX_SCHEMA`, held one at a time.

    Args:
        path: the Parquet file.
        schema: its columns, where others write an index of more.

    Raises:
        OutputDamaged: now or at any access: it is not that.
    """

    def __init__(self, path: Location, schema: pa.Schema = INDEX_SCHEMA) -> None:
        self._path, self._schema = path, schema
        self._last: tuple[int, pa.Table] | None = None
        with self._open() as file:
            self._parts: int = file.num_row_groups
            if not file.schema_arrow.equals(schema):
                raise _damaged(path, str(file.schema_arrow))

    def __len__(self) -> int:
        return self._parts

    def __getitem__(self, part: int) -> pa.Table:
        if self._last is None or self._last[0] != part:
            with self._open() as file:
                tablebounds.check_group(file, part, _ROW_GROUP)
                table = file.read_row_group(part, use_threads=False)
                storage.check_table(table, self._schema)
                self._last = part, table
        return self._last[1]

    @contextlib.contextmanager
    def _open(self) -> Iterator[pq.ParquetFile]:
        with storage.open_arrow(self._path) as source:
            try:
                yield pq.ParquetFile(source)
            except (pa.ArrowException, OSError) as error:
                raise _damaged(self._path, str(error)) from error


class IndexWriter:
    """Writes members to Parquet in bounded memory; the same members give the same bytes.

    Args:
        sink: takes tables of `INDEX_SCHEMA`.

    Attributes:
        members: rows that are written.
    """

    def __init__(self, sink: pq.ParquetWriter) -> None:
        self.members = 0
        self._sink = sink
        self._rows: list[Member] = []

    @classmethod
    @contextlib.contextmanager
    def of(cls, file: storage.StagedFile) -> Iterator[Self]:
        """Give what writes an index into a file."""
        with file.stream() as stream, pq.ParquetWriter(stream, INDEX_SCHEMA, **_PARQUET) as sink:
            yield cls(sink)

    def add(self, members: Sequence[Member]) -> None:
        """Add the next members of the archive."""
        self._rows += members
        while len(self._rows) >= _ROW_GROUP:
            self._write(self._rows[:_ROW_GROUP])
            del self._rows[:_ROW_GROUP]

    def finish(self) -> None:
        """Write what is left."""
        if self._rows:
            self._write(self._rows)

    def _write(self, rows: Sequence[Member]) -> None:
        self.members += len(rows)
        columns = zip(INDEX_SCHEMA.names, zip(*rows, strict=True), strict=True)
        self._sink.write_table(pa.table(dict(columns), INDEX_SCHEMA))


class _Indexer:
    """Scans the bytes it is shown and writes the members to Parquet, in bounded memory."""

    def __init__(
        self,
        scanner: TarScanner,
        sink: IndexWriter,
        hasher: MemberHasher,
        check_first: CheckMember,
        check_broken: CheckBroken | None,
    ) -> None:
        self._check_broken = check_broken
        self._check_first: CheckMember | None = check_first
        self._scanner = scanner
        self._sink = sink
        self._hasher = hasher
        self._at_start = True

    def look(self, view: memoryview) -> None:
        """Take the next bytes of the archive; a refusal in its midst waits for `finish`.

        Raises:
            ArchiveRefused: it is no tar by its first bytes, or begins with what does not belong
                there, or with a nested tar that is none and needed.
        """
        try:
            members = self._scanner.feed(view)
        except ArchiveRefused:
            if self._scanner.is_foreign and self._at_start:
                raise
            return
        finally:
            at_start, self._at_start = self._at_start, False
        if at_start and self._check_broken is not None:
            for tar in self._scanner.broken:
                if tar.is_foreign:
                    self._check_broken(tar)
        if self._check_first is not None:
            files = (each for each in members if each.kind == "file")
            first = next((each for each in files if not in_clutter(each.name)), None)
            if first is not None:
                self._check_first(first)
                self._check_first = None
        self._hasher.take(view, members)
        self._sink.add(members)

    def finish(self) -> ArchiveRefused | None:
        """Write what is left; return why the archive is refused, or None.

        Raises:
            ArchiveRefused: it is no tar by its first bytes, which are all of it.
        """
        try:
            self._scanner.finish()
        except ArchiveRefused as error:
            if self._scanner.is_foreign and self._scanner.size < BLOCK:
                raise
            return error
        self._sink.finish()
        self._hasher.finish()
        return None


def _verified(archive: Location, read: Read) -> VerifiedArchive:
    return VerifiedArchive(archive.name, read.info, read.md5, 0)


def _damaged(path: Location, found: str) -> OutputDamaged:
    return OutputDamaged(
        "the index of an archive is damaged",
        file=str(path),
        expected="the Parquet file that was published",
        found=found,
        remedy="remove it: the archive will be verified again",
    )
