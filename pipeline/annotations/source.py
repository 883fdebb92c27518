"""Annotations where they lie: an archive read as a stream, or a folder that was unpacked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from pipeline import storage
from pipeline.archives.compressed import read_members
from pipeline.archives.tar import Member
from pipeline.errors import BadAnnotation, TreeRefused
from pipeline.storage import Location, clutter

MAX_ANNOTATION = 1 << 20
"""Bytes: what is larger is no annotation."""
SUFFIX = ".xml"  # in any case
_in_clutter = lru_cache(maxsize=1 << 12)(clutter.in_clutter)  # of a few folders, many times
_DEEPEST = 16  # folders within one another
_NO_UTF8 = re.compile(r"[\ud800-\udfff]")


def read_annotations(
    source: Location, passed: list[str] | None = None
) -> Iterator[tuple[str, bytes | BadAnnotation]]:
    """Yield name and content of everything in an archive or folder of annotations.

    What is no regular file named ``*.xml``, or is larger than 1 MiB, comes with the reason in
    place of its content. Passed over are an archive's folders, and clutter. At most 3 MiB are
    held at a time.

    Args:
        source: a tar, a tar.gz or a folder, as `bboxes.collect` takes them.
        passed: names of clutter are appended to it.

    Raises:
        ArchiveMissing: there is no such file or folder.
        ArchiveRefused: the archive is truncated, fails its CRC, or is no tar.
        TreeRefused: a name in the folder is not UTF-8, or a link in it leads around in a circle.
    """
    left = [] if passed is None else passed
    is_folder = storage.real_folder(source) is not None
    for member, content in _read(source, left, is_folder=is_folder):
        folder, _, name = member.name.rpartition("/")
        if not is_folder and (clutter.is_clutter(name) or _in_clutter(folder)):
            left.append(member.name)
        elif content is not None and is_annotation(member):
            yield member.name, content
        else:
            wanted = f"a regular file *{SUFFIX} of at most {MAX_ANNOTATION} bytes"
            found = f"a {member.kind} of {member.size} bytes"
            remedy = "take it out, or write an annotation in its place"
            yield (
                member.name,
                BadAnnotation("not an annotation", expected=wanted, found=found, remedy=remedy),
            )


def _read(
    source: Location, left: list[str], *, is_folder: bool
) -> Iterator[tuple[Member, bytes | None]]:
    if is_folder:
        return _read_folder(storage.on_this_machine(source), left)
    return read_members(source, largest=MAX_ANNOTATION)


def is_annotation(member: Member) -> bool:
    """Whether a member's kind and name are those of an annotation."""
    return member.kind == "file" and member.name[-len(SUFFIX) :].lower() == SUFFIX


def listed(
    folder: Path,
    passed: list[str] | None = None,
    note: Callable[[Path], None] | None = None,
) -> Iterator[tuple[Path, storage.Entry, Member]]:
    """Yield every file below a folder of annotations as the member that it would be of an archive.

    Each comes with the folder that holds it and its entry there. What lies in a folder comes
    before what lies in the folders in it, sorted by name. In a folder without folders the names
    of the members begin with its own name, which stands for the class. Clutter is passed over,
    and its names are appended to `passed`. `note` is called with each folder before it is listed.

    Raises:
        TreeRefused: a name is not UTF-8, or a link leads around in a circle.
    """
    left = [] if passed is None else passed
    flat = not any(entry.kind == "folder" for entry in _level(folder, "", []))
    shown = f"{own_name(folder)}/" if flat else ""
    yield from _below(folder, shown, (), left, note)


def own_name(folder: Location) -> str:
    """Return a folder's name as it was given: a link to it may well bear that of a class."""
    return storage.full_path(str(folder)).rpartition("/")[2]


def _below(
    folder: Path,
    shown: str,
    around: tuple[Path | None, ...],
    passed: list[str],
    note: Callable[[Path], None] | None,
) -> Iterator[tuple[Path, storage.Entry, Member]]:
    real = storage.real_folder(folder)
    if real in around or len(around) == _DEEPEST:
        raise TreeRefused(
            "the folders of annotations do not end",
            file=str(folder),
            expected=f"at most {_DEEPEST} folders within one another",
            found="a link to a folder around it" if real in around else "more",
            remedy="remove the link, or move the annotations up",
        )
    if note is not None:
        note(folder)
    inner: list[str] = []
    for entry in _level(folder, shown if around else "", passed):
        if entry.kind == "folder":
            inner.append(entry.name)
        else:
            member = Member("", f"{shown}{entry.name}", 0, entry.size, entry.kind)
            yield folder, entry, member
    for name in inner:
        yield from _below(folder / name, f"{shown}{name}/", (*around, real), passed, note)


def _read_folder(folder: Path, passed: list[str]) -> Iterator[tuple[Member, bytes | None]]:
    """Yield what a folder holds as `read_members` yields the members of an archive."""
    for place, entry, member in listed(folder, passed):
        small = is_annotation(member) and member.size <= MAX_ANNOTATION
        yield member, storage.read_bytes(place / entry.name) if small else None


def _level(folder: Path, shown: str, passed: list[str]) -> Iterator[storage.Entry]:
    """Yield what a folder holds, sorted; names of clutter are appended, after `shown`."""
    for entry in sorted(storage.entries(folder)):
        if clutter.is_clutter(entry.name):
            passed.append(shown + _NO_UTF8.sub("\ufffd", entry.name))
            continue
        if _NO_UTF8.search(entry.name):
            raise TreeRefused(
                "a name that is not UTF-8",
                file=str(folder),
                found=repr(entry.name),
                remedy="give it another name, or move it away",
            )
        yield entry
