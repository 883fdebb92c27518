"""A member of a tar archive, as its header describes it."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.archives.tarheader import GNU_SPARSE, Malformed, sparse
from pipeline.storage.clutter import in_clutter

_MAX_NAME = 4096  # PATH_MAX of Linux; it also bounds the memory that a hostile archive can take
_NAMES = ("file", "hardlink", "symlink", "device", "device", "directory", "fifo", "file")
_KINDS = {0: "file", **dict(zip(b"01234567", _NAMES, strict=True))}
_WITH_DATA = frozenset({"file", "other"})  # of the rest, POSIX and GNU tar ignore the size


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


def holds_members(member: Member) -> bool:
    """Whether a member of the outermost archive is a tar whose members are listed, too."""
    is_tar = member.kind == "file" and member.name.endswith(".tar")
    return is_tar and member.size > 0 and not in_clutter(member.name)


def titled(member: Member | None) -> str:
    """Return what errors call a member, or the place before the first one."""
    if member is None:
        return "the start"
    return f"{member.name} of {member.container}" if member.container else member.name


def member_of(container: str, raw_name: bytes, data: int, size: int, typeflag: int) -> Member:
    """Return a member by its header.

    Args:
        container: name of the nested tar that holds it; empty at the top level.
        raw_name: as it is stored.
        data: where its data begin, in bytes from the start of the outermost archive.
        size: bytes of data, as stored.
        typeflag: as stored.

    Raises:
        Malformed: it is a sparse file, or its name is none.
    """
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
