"""Describes a folder of archives, or an unpacked tree: its configuration, as text."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pipeline import resources, storage
from pipeline.catalog.classes import LabelTable
from pipeline.errors import ArchiveRefused, UsageError, abbreviate
from pipeline.plaintext import Lines
from pipeline.quantities import counted
from pipeline.sources import split_names
from pipeline.sources.ilsvrc2012 import label_files
from pipeline.sources.ilsvrc2012.describing import archives, label_lists, raw_files, tree_folders
from pipeline.sources.ilsvrc2012.describing.archives import Findings, Tell
from pipeline.sources.ilsvrc2012.describing.class_words import ClassWords
from pipeline.sources.ilsvrc2012.describing.configuration_text import (
    DescribedSplit,
    files,
    is_companion,
)
from pipeline.sources.ilsvrc2012.describing.overview import TAR

_SHIPPED_TABLE: Final = "config/ilsvrc2012/synsets.tsv"


@dataclass(frozen=True)
class Description:
    """A configuration that was written for a folder.

    Attributes:
        text: of the TOML file.
        companions: the files that it names, by their names beside it -> content.
        found: what each split is, a line each.
        remarks: what a person should know of it, which its comments say, too.
        left_out: archives, or folders of a tree, that are not described.
        option: that which the command that prepares them names the folder with.
    """

    text: str
    companions: Mapping[str, bytes]
    found: tuple[str, ...]
    remarks: tuple[str, ...]
    left_out: tuple[str, ...]
    option: str


def describe(
    raw: Path, name: str, written: Collection[Path], tell: Tell = lambda _name, _done, _of: None
) -> Description:
    """Describe a folder of archives, or an unpacked tree where there is no archive.

    Args:
        raw: the folder.
        name: of the data set; "": that of the folder.
        written: files that the description goes into, which may lie in the folder.
        tell: told how far the reading is.

    Raises:
        UsageError: there is no such folder, or the name is none.
        ArchiveRefused: nothing in it can be described.
        TransientError: an archive changed while it was read.
    """
    split_names.check(name)
    if storage.real_folder(raw) is None:
        raise UsageError("there is no such folder", file=str(raw), expected="a folder of archives")
    places = {raw / path.name for path in written if storage.same_folder(path.parent, raw)}
    called = name or split_names.of_file(storage.full_path(str(raw)).rpartition("/")[2])
    looked_at = raw_files.look(raw, lambda path: path in places or is_companion(path.name, called))
    table = label_files.load_table(resources.shipped(_SHIPPED_TABLE))
    is_tree = bool(looked_at.folders) and not looked_at.has_archives
    if is_tree:
        found = tree_folders.describe(raw, looked_at)
    else:
        found = archives.describe(looked_at, table, tell)
    left_out = tuple(f"{file}: {why}" for file, why in sorted(found.left_out.items()))
    if not found.splits:
        raise _nothing(raw, left_out, looked_at.others)
    classes = frozenset[str]().union(*(split.classes for split in found.splits))
    words = ClassWords.read(label_lists.read(looked_at.texts), classes, _words(table))
    said = [*found.remarks, *words.remarks, *(f"left out: {each}" for each in left_out)]
    remarks = (*said, *_rest(looked_at, is_tree=is_tree))
    text, companions = files(called, found.archives, found.splits, words.words, remarks)
    option = "--tree" if is_tree else "--raw"
    return Description(
        text, companions, tuple(_lines(found, is_tree=is_tree)), remarks, left_out, option
    )


def _nothing(raw: Path, left_out: Sequence[str], others: Sequence[str]) -> ArchiveRefused:
    found = [*left_out, *([f"no archives: {abbreviate(others)}"] if others else [])]
    return ArchiveRefused(
        "there is nothing that a configuration could describe",
        file=str(raw),
        expected="tars of class tars or class folders, or of numbered images; or folders train, val"
        " and the like, of class folders",
        found=Lines.of(found) if found else "no file",
        remedy="put right what is said of each; a folder of class folders, and images of any names,"
        f" are taken without a configuration: shardmill imagelist {shlex.quote(str(raw))}"
        " --recursive --out OUT",
    )


def _words(table: LabelTable) -> dict[str, str]:
    return dict(zip(table.class_ids, table.words, strict=True))


def _rest(looked_at: raw_files.RawFiles, *, is_tree: bool) -> Iterator[str]:
    if looked_at.others:
        yield f"no archives, passed over: {abbreviate(looked_at.others)}"
    if looked_at.folders and not is_tree:
        yield f"folders, not looked into beside archives: {abbreviate(looked_at.folders)}"


def _lines(found: Findings, *, is_tree: bool) -> Iterator[str]:
    for split in found.splits:
        file = found.archives[split.archive].file
        place = f"{file.removesuffix(TAR)}/" if is_tree else file
        yield f"{split.name}: {place}: {_described(split)}"


def _described(split: DescribedSplit) -> str:
    layout = split.layout
    images = counted(layout.images, "image")
    if layout.numbering is None:
        return f"{images} in {counted(len(layout.counts), 'class')}"
    labels = "without labels" if split.labels is None else f"labels of {_classes(split)}"
    return f"{images} by number, {layout.numbering.member}, {labels}"


def _classes(split: DescribedSplit) -> str:
    return counted(len(split.classes), "class")
