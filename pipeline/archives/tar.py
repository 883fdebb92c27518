"""A tar archive read as a stream: where every member's bytes stand.

A member is a header block (`tarheader`) and its data, padded to whole blocks; V7 is ustar without
magic and prefix. Two blocks of zeros end the archive. What follows them is padding and is not
looked at, as in GNU tar: an archive appended to another is ignored.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import NamedTuple, NoReturn

from pipeline.archives import signatures
from pipeline.archives.brokentar import BrokenTar
from pipeline.archives.tarheader import (
    BLOCK,
    EXTENDED,
    GNU_SPARSE,
    MAX_OFFSET,
    Malformed,
    Records,
    extend,
    overridden,
    parse_header,
    sparse,
)
from pipeline.errors import ArchiveRefused
from pipeline.storage import Buffer
from pipeline.storage.clutter import in_clutter

__all__ = ["BLOCK", "COMPARE_MD5", "ENDS_EARLY", "READER_VERSION", "Member", "TarScanner"]

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
_MAX_NAME = 4096  # PATH_MAX of Linux; it also bounds the memory that a hostile archive can take
_NAMES = ("file", "hardlink", "symlink", "device", "device", "directory", "fifo", "file")
_KINDS = {0: "file", **dict(zip(b"01234567", _NAMES, strict=True))}
_WITH_DATA = frozenset({"file", "other"})  # of the rest, POSIX and GNU tar ignore the size

# A walk asks for (offset, length) in the outermost archive and is sent those bytes.
_Walk = Generator[tuple[int, int], bytes, None]


class Member(NamedTuple):
    """One member of an archive; a tuple, because there are a million of them.

    Attributes:
        container: name of the nested tar that holds it; empty at the top level.
        name: as it is stored, unchecked: it may be absolute, climb with ``..`` or end in ``/``.
        offset: where its data begin, in bytes from the start of the outermost archive.
        size: bytes of data; 0 for what has none.
        kind: ``file``, ``directory``, ``symlink``, ``hardlink``, ``device``, ``fifo`` or ``other``.
    """

    container: str
    name: str
    offset: int
    size: int
    kind: str


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

    Attributes:
        size: bytes fed so far.
        end: offset just behind the end-of-archive marker; None until that was seen.
        is_foreign: whether it was refused for what its first bytes, or those of a nested tar,
            are instead.
        broken: the nested tars that cannot be read, in order; some of the members of one may have
            been returned before it broke off.
    """

    def __init__(self, archive: str, *, nested: bool = False, keep_broken: bool = False) -> None:
        self.broken: list[BrokenTar] = []
        self._keep_broken = keep_broken
        self.size = 0
        self.end: int | None = None
        self.is_foreign = False
        self._archive = archive
        self._nested = nested
        self._found: list[Member] = []
        self._last: Member | None = None
        self._awaited = "a header"
        self._partial = bytearray()
        self._refusal: ArchiveRefused | None = None
        self._walk = self._members("", 0, MAX_OFFSET)
        self._at, self._need = next(self._walk)

    def reads_inside(self, member: Member) -> bool:
        """Whether a member is a nested tar whose members are listed too."""
        return self._nested and not member.container and _holds_members(member)

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
        place, expected = f"after {_titled(last)}", f"{self._awaited} at byte {self._at}"
        if last and self.size < last.offset + last.size:
            place = f"in {_titled(last)}, whose data begin at byte {last.offset}"
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
            place=f"byte {self._at}, after {_titled(self._last)}",
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
            member = _member(container, raw_name, data, size, typeflag)
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


def _holds_members(member: Member) -> bool:
    is_tar = member.kind == "file" and member.name.endswith(".tar")
    return is_tar and member.size > 0 and not in_clutter(member.name)


def _titled(member: Member | None) -> str:
    if member is None:
        return "the start"
    return f"{member.name} of {member.container}" if member.container else member.name


def _padded(size: int) -> int:
    return (size + BLOCK - 1) // BLOCK * BLOCK


def _within(limit: int, at: int, size: int) -> tuple[int, int]:
    """Return the range (at, size), which must not pass `limit`, the end of what contains it."""
    if at + size > limit:
        what = "a nested tar ends too early, or a member is longer than its archive"
        raise Malformed(what, f"{size} bytes at byte {at}", f"the end of it, at byte {limit}")
    return at, size


def _member(container: str, raw_name: bytes, data: int, size: int, typeflag: int) -> Member:
    kind = _KINDS.get(typeflag, "other")
    if typeflag == GNU_SPARSE:
        raise sparse(raw_name)
    if typeflag == 0 and raw_name.endswith(b"/"):  # V7 has no typeflag for directories
        kind = "directory"
    return Member(container, _decoded(raw_name), data, size if kind in _WITH_DATA else 0, kind)


def _decoded(raw_name: bytes) -> str:
    try:
        name = raw_name.decode()
    except UnicodeDecodeError:
        raise Malformed("a member's name is not UTF-8", "UTF-8", repr(raw_name[:100])) from None
    if len(raw_name) > _MAX_NAME or "\0" in name:
        what = "a member's name is too long, or holds a zero byte"
        raise Malformed(what, f"at most {_MAX_NAME} bytes", f"{len(raw_name)}: {name[:100]!r}")
    return name
