"""Describes the archives of a folder: each is read once, and what it holds is matched by names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from pipeline import storage
from pipeline.archives.index import verify_only
from pipeline.archives.passage import Progress
from pipeline.catalog.classes import NO_LABELS, LabelTable
from pipeline.errors import ArchiveRefused, InputRefused
from pipeline.quantities import counted
from pipeline.sources.ilsvrc2012 import devkit
from pipeline.sources.ilsvrc2012.describing import file_names, kept, label_lists, layouts, packed
from pipeline.sources.ilsvrc2012.describing.configuration_text import (
    DescribedArchive,
    DescribedSplit,
)
from pipeline.sources.ilsvrc2012.describing.kept import ReadArchive
from pipeline.sources.ilsvrc2012.describing.label_lists import LabelList
from pipeline.sources.ilsvrc2012.describing.layouts import (
    BOXES,
    CLASSES,
    FLAT,
    UNDECIDED,
    Layout,
    NotDescribed,
)
from pipeline.sources.ilsvrc2012.describing.numbering import NotNumbered, Numbering
from pipeline.sources.ilsvrc2012.describing.overview import Overview, overview
from pipeline.sources.ilsvrc2012.describing.packed import DEVKIT, IMAGES
from pipeline.sources.ilsvrc2012.describing.raw_files import RawFiles

Tell = Callable[[str, int, int], None]
"""Told the name of an archive, how many bytes of it were read, and how many it has."""
CheckNumbers = Callable[[Numbering, tuple[str, ...], Iterable[str]], None]
"""Raises NotNumbered where a run would not take such numbers and labels."""

_VALIDATION: Final = "validation"


@dataclass
class Findings:
    """What was found in a folder, for its configuration.

    Attributes:
        archives: by their names in the configuration.
        splits: in the order of their archives.
        remarks: what a person should know of what is described, as sentences.
        left_out: what is not described -> why.
    """

    archives: dict[str, DescribedArchive] = field(default_factory=dict)
    splits: list[DescribedSplit] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Opened:
    """A plain tar that was read, and what lies in it."""

    archive: ReadArchive
    seen: Overview
    kind: str


def describe(files: RawFiles, table: LabelTable, tell: Tell) -> Findings:
    """Describe the archives among some files.

    Args:
        files: of one folder.
        table: the classes that a devkit knows.
        tell: told how far the reading is.

    Raises:
        TransientError: an archive changed while it was read.
        ShardmillError: what is found cannot be kept.
    """
    found = Findings(left_out=dict(files.refused))
    kinds = dict(_kinds(files.packed, found))
    of_images = (path for path, kind in kinds.items() if kind == IMAGES)
    opened = [*_opened((*files.tars, *files.tar_folders, *of_images), found, tell)]
    boxes = {each.archive.path: each.archive.md5 for each in opened if each.kind == BOXES}
    boxes |= {path: _md5(path, tell) for path, kind in kinds.items() if kind == BOXES}
    kits = {path: _md5(path, tell) for path, kind in kinds.items() if kind == DEVKIT}
    by_archive = _layouts(opened, found)
    for path, (each, layout) in by_archive.items():
        by_word = file_names.is_alone(path.name, [other.name for other in by_archive])
        split, folder = file_names.split_and_folder(path.name, by_word=by_word)
        archive = DescribedArchive(path.name, each.archive.size, each.archive.md5)
        add_split(found, split, folder, archive, layout)
    checks = {
        path.name: partial(layouts.check_numbers, each.archive)
        for path, (each, _) in by_archive.items()
    }
    add_labels(found, checks, label_lists.read(files.texts), Kits(kits, table))
    _add_boxes(boxes, found)
    return found


def _kinds(paths: Iterable[Path], found: Findings) -> Iterable[tuple[Path, str]]:
    for path in paths:
        try:
            yield path, packed.kind_of(path)
        except NotDescribed as why:
            found.left_out[path.name] = str(why)


def _opened(tars: Iterable[Path], found: Findings, tell: Tell) -> Iterable[_Opened]:
    for path in tars:
        try:
            archive = kept.read(path, _teller(path, tell))
        except ArchiveRefused as error:
            found.left_out[path.name] = f"{error.what}: {error.place}"
            continue
        try:
            seen = overview(archive.members())
            yield _Opened(archive, seen, layouts.kind_of(archive, seen))
        except NotDescribed as why:
            found.left_out[path.name] = str(why)


def _md5(path: Path, tell: Tell) -> str:
    return verify_only(path, expected_md5=None, progress=_teller(path, tell)).md5


def _teller(path: Path, tell: Tell) -> Progress:
    size = _size(path)
    return lambda done: tell(path.name, done, size)


def _size(path: Path) -> int:
    info = storage.stat(path)
    return info.size if info else 0


def _layouts(opened: Sequence[_Opened], found: Findings) -> dict[Path, tuple[_Opened, Layout]]:
    """Return how the images of each archive lie; a lone folder is a class if others have it."""
    by_archive: dict[Path, tuple[_Opened, Layout]] = {}
    classes = set[str]()
    for kind in (CLASSES, UNDECIDED, FLAT):
        for each in opened:
            if each.kind != kind:
                continue
            is_class = kind == CLASSES or not classes.isdisjoint(each.seen.classes)
            try:
                layout = (layouts.by_class if is_class else layouts.flat)(each.archive, each.seen)
            except NotDescribed as why:
                found.left_out[each.archive.path.name] = str(why)
                continue
            classes.update(layout.counts)
            by_archive[each.archive.path] = each, layout
    return dict(sorted(by_archive.items()))


def add_split(
    found: Findings, split: str, folder: str, archive: DescribedArchive, layout: Layout
) -> None:
    """Add a split and its archive to what was found, under names that none of the others has."""
    name = _unused(split, found.archives)
    folder = _unused(folder, [each.folder for each in found.splits])
    found.archives[name] = archive
    found.splits.append(DescribedSplit(name, folder, name, layout))
    found.remarks += [f"{archive.file}: {remark}" for remark in layout.remarks]


def _unused(name: str, taken: Iterable[str]) -> str:
    names, number, free = {*taken}, 2, name
    while free in names:
        free, number = f"{name}_{number}", number + 1
    return free


@dataclass(frozen=True)
class Kits:
    """The devkits of a folder, path -> MD5, and the table of the classes that they name."""

    paths: Mapping[Path, str]
    table: LabelTable

    def labels(self, highest: int, found: Findings) -> LabelList | None:
        """Return the labels of the validation images, and have the devkit among the archives."""
        if DEVKIT in found.archives:  # an archive of images has the name that the devkit needs
            return None
        for path, md5 in self.paths.items():
            try:
                lines = devkit.read_labels(path, self.table)
            except InputRefused as error:
                found.left_out[path.name] = f"{error.what}: {error.place}"
                continue
            if len(lines) >= highest:
                found.archives[DEVKIT] = DescribedArchive(
                    path.name, _size(path), md5, is_optional=True
                )
                return LabelList(path.name, lines)
        return None


NO_KITS: Final = Kits({}, NO_LABELS)


def add_labels(
    found: Findings,
    checks: Mapping[str, CheckNumbers],
    lists: Sequence[LabelList],
    kits: Kits = NO_KITS,
) -> None:
    """Give numbered images their labels, by a list that lies beside them, or a devkit.

    Splits whose images have neither labels nor all numbers are left out: nothing can count them.

    Args:
        found: what is described; it is changed.
        checks: by the file of an archive: whether a run would take such numbers and labels.
        lists: the files that may be lists of labels.
        kits: the devkits.
    """
    classes = frozenset[str]().union(*(split.layout.counts for split in found.splits))
    alone = sum(split.layout.numbering is not None for split in found.splits) == 1
    for place, split in enumerate(found.splits):
        file, numbering = found.archives[split.archive].file, split.layout.numbering
        if numbering is None:
            continue
        chosen, said = label_lists.choose(
            lists, split.name, file, numbering.highest, classes, alone=alone
        )
        found.remarks += said
        if chosen is None and split.name == _VALIDATION:
            chosen = kits.labels(numbering.highest, found)
        if chosen is None:
            continue
        try:
            checks[file](numbering, chosen.lines, {*chosen.lines})
        except NotNumbered as error:
            found.remarks.append(f"{chosen.name} is not taken as the labels of {file}: {error}")
            continue
        found.splits[place] = replace(split, labels=chosen.lines)
        found.remarks.append(
            f"{file}: labelled by {chosen.name}, line n of which is the class of image n"
        )
    taken = {archive.file for archive in found.archives.values()}
    unused = [path.name for path in kits.paths if path.name not in taken]
    found.remarks += [f"{name}: a devkit, of which nothing is taken" for name in unused]
    _drop_uncounted(found)


def _drop_uncounted(found: Findings) -> None:
    """Leave splits out whose images have neither labels nor all numbers: nothing can count them."""
    for split in [*found.splits]:
        numbering = split.layout.numbering
        if numbering is None or numbering.is_consecutive or split.labels is not None:
            continue
        file = found.archives.pop(split.archive).file
        found.splits.remove(split)
        found.left_out[file] = (
            f"{counted(len(numbering.numbers), 'image')} with numbers up to"
            f" {numbering.highest:,}: with gaps between them, a list of their labels is needed"
            f" beside it, such as {file_names.stem(file)}.txt, line n the class of image n"
        )


def _add_boxes(boxes: Mapping[Path, str], found: Findings) -> None:
    """Give splits their boxes, by the words in the names of both."""
    for path, md5 in sorted(boxes.items()):
        word = file_names.word(path.name)
        fitting = [split for split in found.splits if split.name == word]
        if not fitting and len(boxes) == len(found.splits) == 1:
            fitting = found.splits
        if not fitting or fitting[0].boxes:
            found.left_out[path.name] = "annotations of boxes that no split has by its name"
            continue
        split = fitting[0]
        key = f"{split.name}-boxes"
        found.archives[key] = DescribedArchive(path.name, _size(path), md5)
        found.splits[found.splits.index(split)] = replace(split, boxes=key)
        found.remarks.append(f"{path.name}: annotations of boxes, taken as those of {split.name}")
