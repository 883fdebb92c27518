"""The hash of every member of an archive: what its bytes were when the archive had its MD5.

The pass that verifies an archive hashes each member while its bytes are in the cache of the
processor. Whoever reads an image later compares it with that: size and time of an archive do not
tell of a bit that a disk has flipped. The table lies beside the index, under a mark of its own;
without it the comparison is left out, and nothing is made again.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from pipeline import manifest, paths, storage
from pipeline.archives.tar import Member
from pipeline.documents.records import MemberHashesMark
from pipeline.errors import OutputDamaged, Vanished
from pipeline.manifest import FileEntry
from pipeline.storage import Location, Where, with_suffix
from pipeline.storage import table_bounds as tablebounds

SCHEMA: Final = pa.schema([("offset", pa.int64()), ("xxh3_128", pa.binary(16))])
"""A row for each member, in the order of the archive: where its data begin, and their hash. A
nested tar that was read has none: its members have. An offset occurs once: before the data of each
member stands its header."""
SIZE: Final = 16
"""Bytes of a hash."""

_BATCH: Final = 1 << 16  # rows


class MemberHasher:
    """Hashes the members of an archive that is shown to it piece by piece.

    Args:
        sink: takes batches of `SCHEMA`.
        has_own_members: whether a member is a nested tar that is read itself.
    """

    def __init__(
        self, sink: pa.RecordBatchFileWriter, has_own_members: Callable[[Member], bool]
    ) -> None:
        self._sink = sink
        self._has_own_members = has_own_members
        self._start = 0
        self._open: xxhash.xxh3_128 | None = None
        self._end = 0
        self._offsets = array("q")
        self._hashes = bytearray()

    def take(self, view: memoryview, members: Iterable[Member]) -> None:
        """Take the next bytes of the archive, and the members whose headers end in them."""
        start, self._start = self._start, self._start + len(view)
        if self._open is not None:
            self._open.update(view[: max(0, self._end - start)])
            self._close()
        for member in members:
            if self._has_own_members(member):
                continue
            first, self._end = member.offset, member.offset + member.size
            self._offsets.append(first)
            if self._end <= self._start:
                data = view[first - start : self._end - start]
                self._hashes += xxhash.xxh3_128_digest(data)
            else:  # the last one: the header of the next stands behind its data
                self._open = xxhash.xxh3_128(view[first - start :])
        if len(self._offsets) >= _BATCH and self._open is None:
            self._write()

    def finish(self) -> None:
        """Write what is left, once the archive was found to be whole."""
        self._write()

    def _close(self) -> None:
        """End the open member, if all of its bytes were taken."""
        if self._open is not None and self._end <= self._start:
            self._hashes += self._open.digest()
            self._open = None

    def _write(self) -> None:
        if self._offsets:
            offsets = pa.array(np.frombuffer(self._offsets, np.int64))
            hashes = _binary(bytes(self._hashes))
            self._sink.write_batch(pa.record_batch([offsets, hashes], SCHEMA))
            self._offsets, self._hashes = array("q"), bytearray()


class MemberHashes:
    """The hashes of an archive's members, by the offsets of their data.

    Args:
        path: an Arrow file of `SCHEMA`; it is mapped into memory.

    Raises:
        OutputDamaged: it is not that.
        Vanished: there is none.
    """

    def __init__(self, path: Location) -> None:
        with storage.open_arrow(path) as file:
            tablebounds.check_file(file)
            table = pa.ipc.open_file(file).read_all()
            storage.check_table(table, SCHEMA)
            if any(column.null_count for column in table.columns):
                raise pa.ArrowInvalid("rows without a value")
            batches = table.to_batches()
        self._offsets = [batch["offset"].to_numpy() for batch in batches]
        self._hashes = [_rows(batch["xxh3_128"]) for batch in batches]
        self._firsts = np.array([offsets[0] for offsets in self._offsets], np.int64)

    def at(self, offsets: NDArray[np.int64]) -> list[bytes | None]:
        """Return the hash of the member at each offset; None where no member begins.

        Args:
            offsets: (n,) int64, in bytes from the start of the archive, in any order.
        """
        order = np.argsort(offsets)
        wanted = offsets[order]
        contents, right = np.zeros(len(wanted), f"V{SIZE}"), np.zeros(len(wanted), bool)
        bounds = [*np.searchsorted(wanted, self._firsts).tolist(), len(wanted)]
        for batch, (first, stop) in enumerate(pairwise(bounds)):
            if first < stop:
                known, part = self._offsets[batch], slice(first, stop)
                rows = np.minimum(np.searchsorted(known, wanted[part]), len(known) - 1)
                contents[part], right[part] = self._hashes[batch][rows], known[rows] == wanted[part]
        known_hashes: list[bytes | None] = [None] * len(wanted)
        for place, content, is_right in zip(
            order.tolist(), contents.tolist(), right.tolist(), strict=True
        ):
            if is_right:
                known_hashes[place] = content
        return known_hashes


class KnownContents(Protocol):
    """Knows what images were when they were verified."""

    def at(self, sources: Sequence[str], offsets: Sequence[int]) -> list[bytes | None]:
        """Return the xxh3-128 of each image, 16 bytes; None where none is kept.

        Args:
            sources: the file that each lies in, as rows of catalogs and plans name it.
            offsets: where it begins there, in bytes.
        """


@dataclass(frozen=True)
class KnownMembers:
    """The hashes of the members of several archives, as far as they are kept.

    Attributes:
        archives: by the name of the archive's file, as rows of catalogs and plans name it.
    """

    archives: Mapping[str, MemberHashes] = field(default_factory=dict)

    @staticmethod
    def of(out: Location, archives: Iterable[tuple[str, str]]) -> KnownMembers:
        """Return those of archives that were verified; none of one whose table is not whole.

        Args:
            out: the output folder.
            archives: file name and MD5 of each.
        """
        tables = ((file, load(out, file, md5)) for file, md5 in archives)
        return KnownMembers({file: hashes for file, hashes in tables if hashes is not None})

    def at(self, sources: Sequence[str], offsets: Sequence[int]) -> list[bytes | None]:
        """Return the hash of each image, 16 bytes; None where none is kept.

        Args:
            sources: the file that each lies in.
            offsets: where it begins there, in bytes.
        """
        wanted = np.array(offsets, np.int64)
        names = np.array(sources, object)
        known_hashes: list[bytes | None] = [None] * len(offsets)
        for source, hashes in self.archives.items():
            places = np.flatnonzero(names == source)
            for place, content in zip(places.tolist(), hashes.at(wanted[places]), strict=True):
                known_hashes[place] = content
        return known_hashes


def mark_of(table: Where) -> Where:
    """Return the path of the mark of a table of hashes."""
    return with_suffix(table, ".json")


def publish(out: Location, archive: str, md5: str, staged: storage.StagedFile) -> None:
    """Publish the table of a verified archive, and the mark that seals it.

    That of another archive of this name, which it has replaced, stays under a name of its own: what
    was made of that one is known by it.

    Args:
        out: the output folder.
        archive: its published file name.
        md5: its MD5, 32 lower-case hex digits.
        staged: the table, whole.
    """
    _keep_replaced(out, archive, md5)
    _publish(out, archive, archive, md5, [staged])


def _keep_replaced(out: Location, archive: str, md5: str) -> None:
    """Keep the table that is about to be replaced, if it is of another archive."""
    table = paths.member_hashes(out, archive)
    before = manifest.read_complete(mark_of(table), out, MemberHashesMark)
    if before is None or before.md5 == md5:
        return
    name = _name_of_replaced(archive, before.md5)
    place = paths.member_hashes(out, name)
    if storage.duplicate(table, place):  # else it is known no more
        listed = [entry.named(storage.relative(place, out)) for entry in before.files]
        _publish(out, name, archive, before.md5, listed=listed)


def _publish(
    out: Location,
    name: str,
    archive: str,
    md5: str,
    staged: Sequence[storage.StagedFile] = (),
    listed: Sequence[FileEntry] = (),
) -> None:
    mark = mark_of(paths.member_hashes(out, name))
    manifest.publish(staged, mark, out, {"archive": archive, "md5": md5}, listed=listed)


def _name_of_replaced(archive: str, md5: str) -> str:
    """Return the name under which the table of an archive stays that was replaced."""
    return f"{archive}.{md5}"


def of_replaced(out: Location) -> Iterator[tuple[str, Location]]:
    """Yield the MD5 of each archive that was replaced and whose table is kept, and the table."""
    for mark in storage.documents(paths.member_hashes(out, "").parent):
        document = manifest.read_undamaged(mark, MemberHashesMark)
        if document is not None:
            name = _name_of_replaced(document.archive, document.md5)
            table = paths.member_hashes(out, name)
            if mark_of(table) == mark:
                yield document.md5, table


def load(out: Location, archive: str, md5: str) -> MemberHashes | None:
    """Return the hashes of an archive's members; None: none are kept, or not as they were written.

    Args:
        out: the output folder.
        archive: its published file name.
        md5: the MD5 that it was verified to have: those of another archive are none of its.
    """
    for name in (archive, _name_of_replaced(archive, md5)):
        table = paths.member_hashes(out, name)
        mark = mark_of(table)
        document = manifest.read_undamaged(mark, MemberHashesMark)
        if document is not None and document.md5 == md5:
            return _loaded(out, table, mark)
    return None


def _loaded(out: Location, table: Location, mark: Location) -> MemberHashes | None:
    try:
        manifest.read_checked(mark, out, MemberHashesMark)
        return MemberHashes(table)
    except (OutputDamaged, Vanished):  # what is damaged, `verify` says
        return None


def lacking(out: Location, archives: Iterable[tuple[str, str]]) -> list[str]:
    """Return the file names of the archives of whose members no hashes are kept.

    Args:
        out: the output folder.
        archives: file name and MD5 of each.
    """
    return [file for file, md5 in archives if load(out, file, md5) is None]


def _binary(content: bytes) -> pa.Array:
    """Return fixed-size values, one behind the other in some bytes."""
    buffers = [None, pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.binary(SIZE), len(content) // SIZE, buffers)


def _rows(hashes: pa.Array) -> NDArray[np.void]:
    """Return fixed-size values without copying them: (n,) of 16 bytes each."""
    start = hashes.offset * SIZE
    return np.frombuffer(hashes.buffers()[1], f"V{SIZE}", len(hashes), start)
