"""A tar archive read as a stream: where every member's bytes stand.

A member is a header block (`tarheader`) and its data, padded to whole blocks; V7 is ustar without
magic and prefix. Two blocks of zeros end the archive. What follows them is padding and is not
looked at, as in GNU tar: an archive appended to another is ignored.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NoReturn

from pipeline.archives import signatures
from pipeline.archives.brokentar import BrokenTar
from pipeline.archives.member import Member, holds_members, member_of, titled
from pipeline.archives.tarheader import (
    BLOCK,
    EXTENDED,
    MAX_OFFSET,
    Malformed,
    Records,
    extend,
    overridden,
    parse_header,
)
from pipeline.errors import ArchiveRefused
from pipeline.storage import Buffer

__all__ = [
    "BLOCK",
    "COMPARE_MD5",
    "ENDS_EARLY",
    "READER_VERSION",
    "Member",
    "TarScanner",
    "holds_members",
]

READER_VERSION = 2
"""To be raised when an archive is read that was refused before: refusals are remembered."""
ENDS_EARLY = "the tar archive ends too early"
COMPARE_MD5 = (
    "compare its MD5 with the published one: if they differ, download it again; if they agree, a "
    "download would be no different: pack it anew"
)
"""What to do about a damaged archive of which only its bytes are known."""

_ZEROS = bytes(BLOCK)
_MAX_EXTENDED_HEADERS = 1 << 20  # bytes of all that one member has; real ones take some 10,000
_MOST_BROKEN = 10_000  # nested tars that are noted: a hostile archive has no end of them
# A walk asks for (offset, length) in the outermost archive and is sent those bytes.
_Walk = Generator[tuple[int, int], bytes, None]


class TarScanner:
    """Finds the members of an archive that is fed to it piece by piece.

    Between two pieces it keeps one header at most, or an extended header of up to 1 MiB.

    Args:
        archive: what errors call the archive.
        nested: whether a top-level file named ``*.tar`` is scanned too, in place. It is listed
            before its own members; a tar inside it is a file like any other. One without a
            byte has no members, and one whose name is clutter is not scanned.
        keep_broken: whether a nested tar that cannot be read is noted in `broken`, and the scan
            goes on behind it; else the archive is refused.
        inside: a nested tar that alone is scanned, and whose bytes are fed; None: the archive.

    Attributes:
        size: bytes fed so far.
        end: offset just behind the end-of-archive marker; None until that was seen.
        is_foreign: whether it was refused for what its first bytes, or those of a nested tar,
            are instead.
        broken: the nested tars that cannot be read, in order; some of the members of one may have
            been returned before it broke off.
    """

    def __init__(
        self,
        archive: str,
        *,
        nested: bool = False,
        keep_broken: bool = False,
        inside: Member | None = None,
    ) -> None:
        self.broken: list[BrokenTar] = []
        self._keep_broken = keep_broken
        self.size = inside.offset if inside else 0
        self.end: int | None = None
        self.is_foreign = False
        self._archive = archive
        self._nested = nested
        self._found: list[Member] = []
        self._last = inside
        self._awaited = "a header"
        self._partial = bytearray()
        self._refusal: ArchiveRefused | None = None
        self._walk = (
            self._members(inside.name, inside.offset, inside.offset + inside.size)
            if inside
            else self._members("", 0, MAX_OFFSET)
        )
        self._at, self._need = next(self._walk)

    def reads_inside(self, member: Member) -> bool:
        """Whether a member is a nested tar whose members are listed too."""
        return self._nested and not member.container and holds_members(member)

    def feed(self, buffer: Buffer) -> list[Member]:
        """Take the next bytes of the archive; return the members whose headers they complete.

        Raises:
            ArchiveRefused: the archive is malformed; every later call raises it again.
        """
        if self._refusal:
            raise self._refusal.with_traceback(None)
        start = self.size
        self.size += len(buffer)
        self._found = []
        view = memoryview(buffer)
        while self.end is None and self._at + len(self._partial) < self.size:
            begin = self._at + len(self._partial) - start
            wanted = bytes(view[begin : self._at + self._need - start])
            if len(wanted) < self._need:
                self._partial += wanted
                if len(self._partial) < self._need:
                    break
                wanted = bytes(self._partial)
                self._partial.clear()
            self._advance(wanted)
        return self._found

    @property
    def next_range(self) -> tuple[int, int]:
        """Offset and length of the bytes that decide what comes next; what lies before is data."""
        return self._at, self._need

    def skip_to(self, offset: int) -> None:
        """Take the bytes up to an offset as fed: they are data, which the scan does not look at.

        Args:
            offset: at most where `next_range` begins, and not before what was fed.
        """
        if self._partial or not self.size <= offset <= self._at:
            raise ValueError(f"bytes {self.size} to {offset} cannot be skipped")
        self.size = offset

    def finish(self) -> None:
        """Say that there are no more bytes.

        Raises:
            ArchiveRefused: the archive ends before its end-of-archive marker, or was malformed.
        """
        if self._refusal:
            raise self._refusal.with_traceback(None)
        if self.end is not None:
            return
        if self.size < BLOCK:
            try:
                _check_foreign(bytes(self._partial), self._archive, "")
            except Malformed as error:
                self._refuse(error)
        last = self._last
        place, expected = f"after {titled(last)}", f"{self._awaited} at byte {self._at}"
        if last and self.size < last.offset + last.size:
            place = f"in {titled(last)}, whose data begin at byte {last.offset}"
            expected = f"{last.size} bytes of data, up to byte {last.offset + last.size}"
        raise ArchiveRefused(
            ENDS_EARLY,
            file=self._archive,
            place=place,
            expected=expected,
            found=f"the end of the file, at byte {self.size}",
            remedy=COMPARE_MD5,
        )

    def _advance(self, wanted: bytes) -> None:
        try:
            self._at, self._need = self._walk.send(wanted)
        except StopIteration:
            self.end = self._at + self._need
        except Malformed as error:
            self._refuse(error)

    def _refuse(self, error: Malformed) -> NoReturn:
        self.is_foreign = error.remedy != ""
        self._refusal = self._refused(error)
        raise self._refusal from None

    def _refused(self, error: Malformed) -> ArchiveRefused:
        return ArchiveRefused(
            error.what,
            file=self._archive,
            place=f"byte {self._at}, after {titled(self._last)}",
            expected=error.expected,
            found=error.found,
            remedy=error.remedy or COMPARE_MD5,
        )

    def _payload(
        self, limit: int, at: int, size: int, before: int
    ) -> Generator[tuple[int, int], bytes, bytes]:
        """Read an extended header of `size` bytes at `at`; its member has others of `before`."""
        if before + size > _MAX_EXTENDED_HEADERS:
            what = "the extended headers of a member are too long"
            most = f"at most {_MAX_EXTENDED_HEADERS} bytes"
            raise Malformed(what, most, f"{before + size} bytes or more")
        self._awaited = f"{size} bytes of an extended header"
        payload = yield _within(limit, at, size)
        self._awaited = "a header"
        return payload

    def _members(self, container: str, at: int, limit: int) -> _Walk:
        """Walk the archive that stands in bytes `at` to `limit`, and those nested in it."""
        common: Records = {}
        own: Records = {}
        extended = 0
        if limit - at < BLOCK:
            _check_foreign((yield at, limit - at), self._archive, container)
        start = at
        while (header := (yield _within(limit, at, BLOCK))) != _ZEROS:
            try:
                typeflag, raw_name, size = parse_header(header)
            except Malformed:
                _check_foreign(header if at == start else b"", self._archive, container)
                raise
            data = at + BLOCK
            if typeflag in EXTENDED:
                payload = yield from self._payload(limit, data, size, extended)
                extend(typeflag, payload, common, own)
                extended += BLOCK + _padded(size)
                at = data + _padded(size)
                continue
            if own or common:
                raw_name, size = overridden(raw_name, size, common | own)
                own = {}
            extended = 0
            member = member_of(container, raw_name, data, size, typeflag)
            _within(limit, data, member.size)
            self._found.append(member)
            self._last = member
            if self.reads_inside(member):
                yield from self._inside(member)
                self._last = member
            at = data + _padded(member.size)
        if own:
            raise Malformed("an extended header has no member", "a member", "the end marker")
        self._awaited = "the second block of the end-of-archive marker"
        if (yield _within(limit, at + BLOCK, BLOCK)) != _ZEROS:
            raise Malformed("a lone block of zeros among the members", "two or none", "one")
        self._awaited = "a header"

    def _inside(self, tar: Member) -> _Walk:
        """Walk a nested tar; a broken one is noted if that is asked for."""
        try:
            yield from self._members(tar.name, tar.offset, tar.offset + tar.size)
        except Malformed as error:
            if not self._keep_broken or len(self.broken) == _MOST_BROKEN:
                raise
            self.broken.append(BrokenTar(tar.name, self._refused(error), error.remedy != ""))
            self._awaited = "a header"


def _check_foreign(head: bytes, archive: str, container: str) -> None:
    """Raise Malformed if the first bytes of an archive are those of another kind of data."""
    if foreign := signatures.recognise(head):
        raise Malformed(
            f"{foreign.kind}, and no tar archive",
            "the header of a tar's first member",
            foreign.kind,
            signatures.remedy(foreign, archive, container=container),
        )


def _padded(size: int) -> int:
    return (size + BLOCK - 1) // BLOCK * BLOCK


def _within(limit: int, at: int, size: int) -> tuple[int, int]:
    """Return the range (at, size), which must not pass `limit`, the end of what contains it."""
    if at + size > limit:
        what = "a nested tar ends too early, or a member is longer than its archive"
        raise Malformed(what, f"{size} bytes at byte {at}", f"the end of it, at byte {limit}")
    return at, size
