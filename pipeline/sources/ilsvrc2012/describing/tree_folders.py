"""Describes an unpacked tree: a folder of class folders, or of numbered images, for each split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import pyarrow.compute as pc

from pipeline import storage
from pipeline.errors import TreeRefused
from pipeline.sources.ilsvrc2012 import tree_listing
from pipeline.sources.ilsvrc2012.dataset import SplitConfig, is_folder_name
from pipeline.sources.ilsvrc2012.describing import file_names, label_lists, layouts, numbering
from pipeline.sources.ilsvrc2012.describing.archives import Findings, add_labels, add_split
from pipeline.sources.ilsvrc2012.describing.configuration_text import DescribedArchive
from pipeline.sources.ilsvrc2012.describing.layouts import CLASSES, FLAT, Layout, NotDescribed
from pipeline.sources.ilsvrc2012.describing.numbering import NotNumbered, Numbering
from pipeline.sources.ilsvrc2012.describing.overview import TAR
from pipeline.sources.ilsvrc2012.describing.raw_files import RawFiles
from pipeline.storage.clutter import is_clutter

_ONE_CLASS: Final = "a folder of images without the folder of a split around it"


def describe(tree: Path, files: RawFiles) -> Findings:
    """Describe the folders of a tree; no image is opened.

    Args:
        tree: the folder that holds the folder of each split.
        files: what lies in it.
    """
    found = Findings(left_out=dict(files.refused))
    by_folder: dict[str, Layout] = {}
    for folder in files.folders:
        try:
            by_folder[folder] = _layout(tree, folder)
        except NotDescribed as why:
            found.left_out[folder] = str(why)
    for folder, layout in by_folder.items():
        by_word = file_names.is_alone(folder, [*by_folder])
        split, _ = file_names.split_and_folder(folder, by_word=by_word)
        add_split(found, split, folder, DescribedArchive(f"{folder}{TAR}", None, None), layout)
    checks = dict.fromkeys((each.file for each in found.archives.values()), _takes_all)
    add_labels(found, checks, label_lists.read(files.texts))
    return found


def _takes_all(found: Numbering, numbered: Sequence[str], classes: Iterable[str]) -> None:
    """Check nothing: a tree is listed anew by every run, which says what does not fit."""
    del found, numbered, classes


def _layout(tree: Path, folder: str) -> Layout:
    """Return how the images of a folder lie in it.

    Raises:
        NotDescribed: it cannot be the folder of a split, or a run would refuse it.
    """
    if not is_folder_name(folder):
        raise NotDescribed("a split's folder is called by letters, digits, _ and -")
    entries = [each for each in storage.entries(tree / folder) if not is_clutter(each.name)]
    kind = FLAT if any(each.kind == "file" for each in entries) else CLASSES
    if kind == FLAT and file_names.word(folder) is None:
        raise NotDescribed(_ONE_CLASS)
    split = SplitConfig(folder, f"{folder}{TAR}", folder, kind, 1)
    try:
        files = tree_listing.scan(tree, split).files
        if not files.num_rows:
            raise NotDescribed("there is no image in it")
        size = pc.sum(files["size"]).as_py()
        if kind == CLASSES:
            counts = Counter(files["wnid"].to_pylist())
            layouts.check_classes(counts)
            return Layout(CLASSES, counts, bytes=size)
        names = files["key"].combine_chunks()
        return Layout(FLAT, numbering=numbering.find(names), bytes=size)
    except TreeRefused as error:
        raise NotDescribed(f"{error.what}: {error.file}, found {error.found}") from error
    except NotNumbered as error:
        raise NotDescribed(f"images that lie in no class folders, and {error}") from error
