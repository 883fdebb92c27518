"""The index of an archive that is not verified yet, made by reading the headers of its members.

A tar says in each header how far it is to the next one. So the index of an archive of images is
known after a small part of its bytes was read, long before its MD5 is. The rows, and the bytes of
the Parquet file, are those that `index.verify_and_index` writes of the same archive.

The headers of one tar are a chain: where the next one stands, nobody knows before. So in a tar of
images one read is under way at a time. The tars in a tar are chains of their own, of which many are
followed at a time: what is in memory is read, what is not is announced, and the next chain has its
turn until that has come. Members are given in the order of the archive all the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from pipeline import storage
from pipeline.archives.index import IndexWriter
from pipeline.archives.member import Member, holds_members
from pipeline.archives.tar import TarScanner
from pipeline.errors import ArchiveRefused, TransientError
from pipeline.storage import Location

_PAGE: Final = 4096
"""Bytes that are read at least: the kernel reads no less. Most headers need a single read."""
_AT_A_TIME: Final = 32
"""Nested tars that are followed at a time."""
_TURN: Final = 256
"""Reads of one chain in a row, where all is in memory."""
_HELD: Final = 1 << 15
"""Members that wait for those of nested tars before theirs; then only the first tar goes on."""


@dataclass(frozen=True)
class WalkedArchive:
    """What the headers of an archive say, whichever archive it is.

    Attributes:
        name: file name, without its folder.
        info: its size and stamp, the same before and after the walk.
        members: rows of its index, nested tars among them.
    """

    name: str
    info: storage.FileInfo
    members: int


class Headers(Protocol):
    """Reads ranges of an archive; see `storage.Ranges`."""

    def will_need(self, offset: int, length: int) -> None:
        """Say that a range will be read soon."""

    def read(self, offset: int, length: int) -> memoryview:
        """Return up to `length` bytes at `offset`; fewer only where the file ends."""

    def read_cached(self, offset: int, length: int) -> memoryview | None:
        """Return the same if all of it is in memory; None: it is not, or nobody knows."""


def walk_index(archive: Location, index: storage.StagedFile) -> WalkedArchive:
    """Read the headers of a tar on this machine, and of the tars in it; write the index of both.

    Nothing is known of the bytes between the headers, nor whether this is the right archive.

    Args:
        archive: an uncompressed tar, a local file.
        index: a Parquet file of `index.INDEX_SCHEMA`, for the caller to publish.

    Raises:
        ArchiveRefused: it is truncated or malformed, or a tar in it is.
        TransientError: the file changed meanwhile.
        UsageError: it lies at an address.
    """
    with (
        storage.open_local(storage.on_this_machine(archive)) as reader,
        IndexWriter.of(index) as sink,
    ):
        reader.expect_scattered()
        before = reader.info
        for members in walked_members(str(archive), reader):
            sink.add(members)
        sink.finish()
    if storage.stat(archive) != before:
        raise TransientError(
            "the archive changed while its headers were read",
            file=str(archive),
            remedy="wait until its download has ended, then run the same command again",
        )
    return WalkedArchive(archive.name, before, sink.members)


def walked_members(archive: str, headers: Headers) -> Iterator[list[Member]]:
    """Yield the members of a tar and of the tars in it, in their order, some at a time.

    Args:
        archive: what errors call it.
        headers: reads it.

    Raises:
        ArchiveRefused: it is truncated or malformed, or a tar in it is: the first fault, by the
            order of the archive.
    """
    outer = _Chain(TarScanner(archive))
    waiting = deque[_Chain]()  # nested tars in order, each behind the members before it
    while waiting or not outer.ended:
        followed = [chain for chain in waiting if not chain.ended]
        has_room = sum(len(chain.members) for chain in waiting) < _HELD
        if has_room and len(followed) < _AT_A_TIME and not outer.ended:
            outer.follow(headers, until=holds_members)
            for tar in _parted(outer, archive):
                waiting.append(tar)
                followed += [tar] * (not tar.ended)
        for chain in followed if has_room else followed[:1]:
            chain.follow(headers)
        while waiting:
            yield waiting[0].taken()
            if not waiting[0].ended:
                break
            if waiting[0].refusal is not None:
                raise waiting[0].refusal
            waiting.popleft()


@dataclass(eq=False)
class _Chain:
    """The headers of one tar.

    Attributes:
        scanner: finds its members; None: there is no tar, only the members that are given.
        members: that were found and are not taken.
        refusal: why it cannot be read.
        is_announced: whether the next read is under way.
    """

    scanner: TarScanner | None
    members: list[Member] = field(default_factory=list)
    refusal: ArchiveRefused | None = None
    is_announced: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing is to be read any more."""
        return self.refusal is not None or self.scanner is None or self.scanner.end is not None

    def follow(self, headers: Headers, until: Callable[[Member], bool] | None = None) -> None:
        """Read headers until one has to be waited for, a member is such a one, or so many are."""
        scanner = self.scanner
        if scanner is None:
            return
        try:
            for _ in range(_TURN):
                if scanner.end is not None:
                    return
                view = self._next(scanner, headers)
                if view is None:
                    return
                found = scanner.feed(view)
                self.members += found
                if until is not None and any(map(until, found)):
                    return
        except ArchiveRefused as error:
            self.refusal = error

    def _next(self, scanner: TarScanner, headers: Headers) -> memoryview | None:
        """Return the bytes that decide what comes next; None: they are under way."""
        at, need = scanner.next_range
        if at > scanner.size:
            scanner.skip_to(at)
        length = -(-(at + need) // _PAGE) * _PAGE - scanner.size
        if not self.is_announced:
            view = headers.read_cached(scanner.size, length)
            if view is None:
                headers.will_need(scanner.size, length)
                self.is_announced = True
            return view
        self.is_announced = False
        view = headers.read(scanner.size, length)
        if not view:
            scanner.finish()
        return view

    def taken(self) -> list[Member]:
        """Return the members that were found since the last call."""
        members, self.members = self.members, []
        return members


def _parted(outer: _Chain, archive: str) -> Iterator[_Chain]:
    """Yield what was found of the outer tar: plain members, each tar, what is wrong at its end."""
    plain = _Chain(None)
    for member in outer.taken():
        if holds_members(member):
            yield _Chain(TarScanner(archive, inside=member), [*plain.members, member])
            plain = _Chain(None)
        else:
            plain.members.append(member)
    if plain.members or outer.refusal:
        yield _Chain(None, plain.members, outer.refusal)
