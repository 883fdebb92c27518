"""How the images of an archive lie in it, and whether a configuration can say so.

What is found is tried by the very code that a run reads the archive with (`members.archive_rows`):
a layout that a run would refuse is not described.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa

from pipeline import names
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ArchiveRefused, abbreviate
from pipeline.plaintext import quoted
from pipeline.quantities import counted
from pipeline.sources.ilsvrc2012.dataset import LAYOUTS, SplitConfig
from pipeline.sources.ilsvrc2012.describing import file_names, numbering
from pipeline.sources.ilsvrc2012.describing.kept import ReadArchive
from pipeline.sources.ilsvrc2012.describing.numbering import NotNumbered, Numbering
from pipeline.sources.ilsvrc2012.describing.overview import Overview, leaves
from pipeline.sources.ilsvrc2012.expectation import Expectation
from pipeline.sources.ilsvrc2012.members import archive_rows
from pipeline.sources.ilsvrc2012.rows import check_unique

CLASSES, FLAT = LAYOUTS
BOXES: Final = "boxes"
UNDECIDED: Final = "undecided"
_MOST_NAMED: Final = 3


class NotDescribed(Exception):
    """Why no configuration can say what lies in an archive or folder."""


@dataclass(frozen=True, eq=False)
class Layout:
    """How the images of an archive, or of a folder of a tree, lie in it.

    Attributes:
        kind: one of `LAYOUTS`.
        counts: images of each class; empty where the images are numbered.
        numbering: how they are numbered; None where they lie by class.
        bytes: of all images.
        remarks: what a person should know of it.
    """

    kind: str
    counts: Mapping[str, int] = field(default_factory=dict)
    numbering: Numbering | None = None
    bytes: int = 0
    remarks: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """How many images there are."""
        if self.numbering is not None:
            return len(self.numbering.numbers)
        return sum(self.counts.values())


def kind_of(archive: ReadArchive, seen: Overview) -> str:
    """Return `CLASSES`, `FLAT` or `BOXES`; `UNDECIDED` of what lies in one folder.

    Raises:
        NotDescribed: it cannot be read, or holds no file.
    """
    if archive.refusal is not None:
        raise NotDescribed(f"{archive.refusal.what}: {archive.refusal.place}")
    if archive.broken:
        named = abbreviate((f"{tar.name}: {tar.refusal.what}" for tar in archive.broken), 2)
        tars = counted(len(archive.broken), "tar")
        raise NotDescribed(f"{tars} in it cannot be read: {named}")
    if not seen.files and not seen.tars:
        raise NotDescribed("there is no file in it")
    if seen.annotations == seen.files and not seen.tars:
        return BOXES
    if seen.folders == {""} and not seen.tars:
        return FLAT
    return UNDECIDED if len(seen.folders) == 1 and not seen.tars else CLASSES


def by_class(archive: ReadArchive, seen: Overview) -> Layout:
    """Return the layout of an archive of class tars or class folders.

    Raises:
        NotDescribed: a run would refuse it.
    """
    places = seen.classes
    check_classes(places)
    _check_one_split(path for paths in places.values() for path in paths)
    counts = Counter[str]()
    try:
        for rows in _rows(archive, CLASSES, sorted(places), Expectation({})):
            check_unique(rows.sort_by("key")["key"], archive.path.name)
            for each in rows["class_id"].value_counts().to_pylist():
                counts[each["values"]] += each["counts"]
    except ArchiveRefused as error:
        what = error.what.removeprefix(f"split {file_names.stem(archive.path.name)}: ")
        raise NotDescribed(f"{what}: {error.place}; {error.remedy}") from error
    found = {name: counts[name] for name in places}
    if not counts:
        raise NotDescribed("there is no image in its class tars")
    return Layout(CLASSES, found, bytes=seen.bytes, remarks=tuple(_remarks(places, found, seen)))


def flat(archive: ReadArchive, seen: Overview) -> Layout:
    """Return the layout of an archive of numbered images.

    Raises:
        NotDescribed: they are not numbered, or a run would refuse them.
    """
    try:
        found = numbering.find(leaves(archive.members()))
        check_numbers(archive, found, ("",) * found.highest, ())
    except NotNumbered as error:
        raise NotDescribed(f"neither class tars nor class folders, and {error}") from error
    return Layout(FLAT, numbering=found, bytes=seen.bytes, remarks=tuple(_odd(seen)))


def check_numbers(
    archive: ReadArchive, found: Numbering, numbered: tuple[str, ...], classes: Iterable[str]
) -> None:
    """Check that a run would take the images by these numbers and labels.

    Args:
        archive: where they lie.
        found: how they are numbered.
        numbered: the class of each number, from 1.
        classes: all classes.

    Raises:
        NotNumbered: it would not.
    """
    try:
        expected = Expectation({}, numbered, found.is_consecutive)
        for _ in _rows(archive, FLAT, sorted(classes), expected, found.member):
            pass
    except ArchiveRefused as error:
        raise NotNumbered(f"{error.what}: {error.place}, expected {error.expected}") from error


def check_classes(classes: Collection[str]) -> None:
    """Check that names can be those of classes.

    Raises:
        NotDescribed: one cannot.
    """
    flawed = [(name, flaw) for name in classes if (flaw := names.class_flaw(name))]
    if flawed:
        shown = abbreviate((f"{quoted(name)}: {flaw}" for name, flaw in flawed), _MOST_NAMED)
        raise NotDescribed(f"names that can be no class: {shown}")


def _rows(
    archive: ReadArchive,
    kind: str,
    classes: list[str],
    expected: Expectation,
    member: str | None = None,
) -> Iterable[pa.Table]:
    table = LabelTable(Path(), tuple(classes), tuple(classes), {})
    file = archive.path.name
    split = SplitConfig(file_names.stem(file), file, "", kind, 1, member=member)
    return archive_rows(archive.members(), split, table, expected)


def _check_one_split(paths: Iterable[str]) -> None:
    """Check that class folders are not those of several splits in one archive.

    Raises:
        NotDescribed: they are: one split would hold the images of all.
    """
    words = {file_names.word(part) for path in paths for part in path.split("/")[:-1]} - {None}
    if len(words) > 1:
        raise NotDescribed(
            f"the folders of several splits in one archive, {', '.join(sorted(map(str, words)))}:"
            " pack each split into a tar of its own, or unpack it, and describe that folder"
        )


def _remarks(
    places: Mapping[str, list[str]], counts: Mapping[str, int], seen: Overview
) -> Iterable[str]:
    several = {name: paths for name, paths in places.items() if len(paths) > 1}
    if several:
        named = abbreviate((f"{name} ({', '.join(paths)})" for name, paths in several.items()), 2)
        yield f"{counted(len(several), 'class')} in more than one place, taken as one: {named}"
    empty = [name for name, count in counts.items() if not count]
    if empty:
        yield f"{counted(len(empty), 'class')} without an image: {abbreviate(empty, _MOST_NAMED)}"
    yield from _odd(seen)


def _odd(seen: Overview) -> Iterable[str]:
    for kind, data in sorted(seen.odd.items()):
        more = f" and {data.count - len(data.names):,} more" if data.count > len(data.names) else ""
        yield (
            f"counted as images, but no JPEG or PNG: {counted(data.count, 'file')} of another kind,"
            f" {kind}: {', '.join(data.names)}{more}"
        )
