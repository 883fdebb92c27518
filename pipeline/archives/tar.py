"""A tar archive read as a stream: where every member's bytes stand.

Sources of the format: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header";
GNU tar manual, "Basic Tar Format"; V7 is ustar without magic and prefix. A member is a header
block and its data, padded to whole blocks. In the header, by byte::

    0 name[100]  124 size[12]  148 checksum[8]  156 typeflag  257 magic[6]  345 prefix[155]

Two blocks of zeros end the archive. What follows them is padding and is not looked at, as in
GNU tar: an archive appended to another is ignored.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from typing import NamedTuple

from pipeline.errors import ArchiveRefused
from pipeline.storage import Buffer

BLOCK = 512
ENDS_EARLY = "the tar archive ends too early"

_ZEROS = bytes(BLOCK)
_MAX_EXTENDED_HEADER = 1 << 20
_MAX_NAME = 4096  # PATH_MAX of Linux; it also bounds the memory that a hostile archive can take
_MAX_OFFSET = 2**63 - 1 - BLOCK  # so that every offset fits an int64
_NAMES = ("file", "hardlink", "symlink", "device", "device", "directory", "fifo", "file")
_KINDS = {0: "file", **dict(zip(b"01234567", _NAMES, strict=True))}
_WITH_DATA = frozenset({"file", "other"})  # of the rest, POSIX and GNU tar ignore the size
_PAX_GLOBAL, _GNU_LONG_NAME, _GNU_LONG_LINK, _GNU_SPARSE = b"gLKS"
_EXTENDED = frozenset(b"xXgLK")  # X is x as Solaris wrote it before there was a standard
_NO_HEADER = "no tar header where one should stand"

# A walk asks for (offset, length) in the outermost archive and is sent those bytes.
_Walk = Generator[tuple[int, int], bytes, None]
_Records = dict[bytes, bytes]


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
            before its own members; a tar inside it is a file like any other.

    Attributes:
        size: bytes fed so far.
        end: offset just behind the end-of-archive marker; None until that was seen.
    """

    def __init__(self, archive: str, *, nested: bool = False) -> None:
        self.size = 0
        self.end: int | None = None
        self._archive = archive
        self._nested = nested
        self._found: list[Member] = []
        self._last: Member | None = None
        self._awaited = "a header"
        self._partial = bytearray()
        self._refusal: ArchiveRefused | None = None
        self._walk = self._members("", 0, _MAX_OFFSET)
        self._at, self._need = next(self._walk)

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

    def finish(self) -> None:
        """Say that there are no more bytes.

        Raises:
            ArchiveRefused: the archive ends before its end-of-archive marker, or was malformed.
        """
        if self._refusal:
            raise self._refusal.with_traceback(None)
        if self.end is not None:
            return
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
            remedy="download it again: it is incomplete",
        )

    def _advance(self, wanted: bytes) -> None:
        try:
            self._at, self._need = self._walk.send(wanted)
        except StopIteration:
            self.end = self._at + self._need
        except _Malformed as error:
            what, expected, found = error.args
            self._refusal = ArchiveRefused(
                what,
                file=self._archive,
                place=f"byte {self._at}, after {_titled(self._last)}",
                expected=expected,
                found=found,
                remedy="download it again: it is damaged, or not what its name says",
            )
            raise self._refusal from None

    def _members(self, container: str, at: int, limit: int) -> _Walk:
        """Walk the archive that stands in bytes `at` to `limit`, and those nested in it."""
        common: _Records = {}
        own: _Records = {}
        while (header := (yield _within(limit, at, BLOCK))) != _ZEROS:
            typeflag, raw_name, size = _parse_header(header)
            data = at + BLOCK
            if typeflag in _EXTENDED:
                if size > _MAX_EXTENDED_HEADER:
                    most = f"at most {_MAX_EXTENDED_HEADER} bytes"
                    raise _Malformed("an extended header is too long", most, f"{size} bytes")
                self._awaited = f"{size} bytes of an extended header"
                _extend(typeflag, (yield _within(limit, data, size)), common, own)
                self._awaited = "a header"
                at = data + _padded(size)
                continue
            if own or common:
                raw_name, size = _overridden(raw_name, size, common | own)
                own = {}
            member = _member(container, raw_name, data, size, typeflag)
            _within(limit, data, member.size)
            self._found.append(member)
            self._last = member
            may_hold = self._nested and not container and member.kind == "file"
            if may_hold and member.name.endswith(".tar"):
                yield from self._members(member.name, data, data + size)
                self._last = member
            at = data + _padded(member.size)
        if own:
            raise _Malformed("an extended header has no member", "a member", "the end marker")
        self._awaited = "the second block of the end-of-archive marker"
        if (yield _within(limit, at + BLOCK, BLOCK)) != _ZEROS:
            raise _Malformed("a lone block of zeros among the members", "two or none", "one")
        self._awaited = "a header"


class _Malformed(Exception):
    """What is wrong, what was expected, what was found; its place is added where it is caught."""


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
        raise _Malformed(what, f"{size} bytes at byte {at}", f"the end of it, at byte {limit}")
    return at, size


def _parse_header(header: bytes) -> tuple[int, bytes, int]:
    """Return typeflag, name (prefix joined, undecoded) and size field of a checked header."""
    stored = _number(header[148:156])
    computed = _sum(header[:256]) + _sum(header[256:]) - _sum(header[148:156]) + 8 * ord(" ")
    if computed != stored:
        # Some old programs added the bytes up as signed characters.
        signed = computed - 256 * sum(byte >> 7 for byte in header[:148] + header[156:])
        if signed != stored:
            raise _Malformed(_NO_HEADER, f"a block of checksum {stored}", f"one of {computed}")
    name = header[:100].partition(b"\0")[0]
    if header[345] and header[257:263] == b"ustar\0":  # GNU tar keeps times there
        name = header[345:500].partition(b"\0")[0] + b"/" + name
    return header[156], name, _number(header[124:136])


def _sum(data: bytes) -> int:
    """Return the sum of at most 256 bytes."""
    # The low half of an Adler-32 is 1 + that sum, mod 65521: a sixth of the time of sum().
    return (zlib.adler32(data) & 0xFFFF) - 1


def _number(field: bytes) -> int:
    """Return a number in octal digits, or in GNU's base 256 (big-endian behind a 1 bit)."""
    if field[0] & 0x80 and not field[0] & 0x40:  # the second bit is the sign
        return int.from_bytes(field, "big") - (1 << 8 * len(field) - 1)
    digits = field.strip(b" \0")
    if digits.translate(None, b"01234567"):
        raise _Malformed(_NO_HEADER, "a number in octal digits", repr(field))
    return int(digits or b"0", 8)


def _member(container: str, raw_name: bytes, data: int, size: int, typeflag: int) -> Member:
    kind = _KINDS.get(typeflag, "other")
    if typeflag == _GNU_SPARSE:
        raise _sparse(raw_name)
    if typeflag == 0 and raw_name.endswith(b"/"):  # V7 has no typeflag for directories
        kind = "directory"
    return Member(container, _decoded(raw_name), data, size if kind in _WITH_DATA else 0, kind)


def _decoded(raw_name: bytes) -> str:
    try:
        name = raw_name.decode()
    except UnicodeDecodeError:
        raise _Malformed("a member's name is not UTF-8", "UTF-8", repr(raw_name[:100])) from None
    if len(raw_name) > _MAX_NAME or "\0" in name:
        what = "a member's name is too long, or holds a zero byte"
        raise _Malformed(what, f"at most {_MAX_NAME} bytes", f"{len(raw_name)}: {name[:100]!r}")
    return name


def _extend(typeflag: int, payload: bytes, common: _Records, own: _Records) -> None:
    """Add what an extended header says to that of all members to come, or of the next one."""
    if typeflag == _GNU_LONG_NAME:
        own.setdefault(b"path", payload.partition(b"\0")[0])  # a pax header has precedence
    elif typeflag != _GNU_LONG_LINK:
        for key, value in _pax_records(payload):
            if key.startswith(b"GNU.sparse."):
                raise _sparse(payload[:100])
            if key in {b"path", b"size"}:
                if typeflag == _PAX_GLOBAL and len(value) > BLOCK:  # or each block would cost more
                    raise _Malformed("a name of all members is too long", "512 bytes", repr(key))
                (common if typeflag == _PAX_GLOBAL else own)[key] = value


def _overridden(raw_name: bytes, size: int, extended: _Records) -> tuple[bytes, int]:
    """Return name and size as extended headers have them; an empty value takes one back."""
    digits = extended.get(b"size") or b"%d" % size
    if not digits.isdigit() or len(digits) > len(str(_MAX_OFFSET)):
        raise _Malformed("a pax header gives no size", "decimal digits", repr(digits[:40]))
    return extended.get(b"path") or raw_name, int(digits)


def _pax_records(payload: bytes) -> Iterator[tuple[bytes, bytes]]:
    r"""Yield (key, value) of each record ``LENGTH KEY=VALUE\n``; LENGTH counts all of it."""
    payload = payload.rstrip(b"\0")
    at = 0
    while at < len(payload):
        blank = payload.find(b" ", at, at + 20)
        digits = payload[at : max(blank, at)]
        end = at + int(digits) if digits.isdigit() else 0
        key, equals, value = payload[blank + 1 : end - 1].partition(b"=")
        if payload[end - 1 : end] != b"\n" or not equals:
            found = repr(payload[at : at + 40])
            raise _Malformed("a pax header is malformed", "LENGTH KEY=VALUE", found)
        yield key, value
        at = end


def _sparse(raw: bytes) -> _Malformed:
    return _Malformed("a member is stored as a sparse file", "all of its bytes", repr(raw))
