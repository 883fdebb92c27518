"""Finds the parts of an unpacked ILSVRC2012, in the layouts that people have.

::

    DIR/train  DIR/val                                 by the names of splits and their folders
    DIR/ILSVRC2012_img_train  DIR/ILSVRC2012_img_val   by the archives' names
    DIR/bboxes                                         the boxes of training images, beside them
    DIR/ILSVRC/Data/CLS-LOC/{train,val,test}           the competition's download
    DIR/ILSVRC/Annotations/CLS-LOC/{train,val}
    DIR/LOC_val_solution.csv

In the place of ``ILSVRC`` there may be a folder of any name, such as ``ILSVRC2015``, with a
``Data/CLS-LOC`` in it. A DIR that is itself ``ILSVRC``, ``ILSVRC/Data`` or ``ILSVRC/Data/CLS-LOC``,
or a link to one of them, is one of these, too, and so is one whose ``train`` is a link into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pipeline import storage
from pipeline.errors import TreeRefused, abbreviate
from pipeline.plaintext import Lines
from pipeline.sources.ilsvrc2012.dataset import SplitConfig

_COMPETITION = ("ILSVRC", "Data", "CLS-LOC")
_DATA = _COMPETITION[1:]
_OF_YEAR = re.compile(r"ILSVRC[0-9]*")
_SOLUTION = "LOC_val_solution.csv"


def find(tree: Path, split: SplitConfig, *, exclude: Path | None = None) -> str:
    """Return which folder of a tree holds a split, relative to the tree, "/"-separated.

    Args:
        tree: the folder of the unpacked set.
        split: the split's configuration.
        exclude: a folder that is not meant where there is another: a product may lie in the tree.

    Raises:
        TreeRefused: there is no such folder, or more than one.
    """
    found = find_or_none(tree, split, exclude=exclude)
    if found is None:
        here = sorted(entry.name for entry in storage.entries(tree) if entry.kind == "folder")
        raise TreeRefused(
            f"split {split.name}: its folder of images is not there",
            file=str(tree),
            expected=f"one of the folders {', '.join(_image_folders(split))}",
            found=abbreviate(here) or "no folder",
            remedy="name the folder that holds the split's folder, or choose other splits",
        )
    return found


def find_or_none(tree: Path, split: SplitConfig, *, exclude: Path | None = None) -> str | None:
    """Do as `find` does, but return None where the split has no folder.

    Raises:
        TreeRefused: the tree itself is absent, or there is more than one such folder.
    """
    if storage.real_folder(tree) is None:
        raise TreeRefused("there is no such folder", file=str(tree), expected="a folder of images")
    inner = [tree / name / "/".join(_DATA) / split.folder for name in _competitions_in(tree)]
    found = _distinct([*(tree / name for name in _image_folders(split)), *inner])
    if exclude is not None and len(found) > 1:
        found.pop(storage.real_folder(exclude), None)
    path = _only(found, f"split {split.name}: two folders could hold its images")
    return None if path is None else "/".join(path.relative_to(tree).parts)


def annotation_folder(tree: Path, split: SplitConfig) -> Path | None:
    """Return the folder of a split's XML annotations, or None if the tree has none.

    Raises:
        TreeRefused: there is more than one.
    """
    images = (storage.real_folder(tree / name) for name in _image_folders(split))
    roots = _competitions(tree, *(real.parent for real in images if real is not None))
    roots += [tree, tree / _COMPETITION[0]]
    places = [root / "Annotations" / "CLS-LOC" / split.folder for root in roots]
    if split.by_class:
        places.append(tree / "bboxes")
    return _only(_distinct(places), f"split {split.name}: two folders could hold its annotations")


def solution_file(tree: Path) -> Path | None:
    """Return where the validation classes of the competition's download lie, or None."""
    roots = _competitions(tree)
    above = [root.parent for root in roots if _OF_YEAR.fullmatch(root.name)]
    folders = [tree, tree / _COMPETITION[0], *roots, *above]
    files = [folder / _SOLUTION for folder in folders if storage.stat(folder / _SOLUTION)]
    return files[0] if files else None


def _image_folders(split: SplitConfig) -> list[str]:
    plain = [split.folder, split.name, split.archive.rpartition(".")[0]]
    starts = ["/".join(_COMPETITION[place:]) for place in range(len(_COMPETITION))]
    return list(dict.fromkeys([*plain, *(f"{start}/{split.folder}" for start in starts)]))


def _competitions(tree: Path, *parts: Path) -> list[Path]:
    """Return the competition's downloads in a tree, or that it or one of `parts` is a part of."""
    roots = [tree / name for name in _competitions_in(tree)]
    for path in (tree.absolute(), *parts, storage.real_folder(tree) or tree):
        for length in range(len(_DATA) + 1):
            above = (path, *path.parents)[length:]
            if above and path.parts[len(path.parts) - length :] == _DATA[:length]:
                roots.append(above[0])
    return [root for root in roots if storage.real_folder(root.joinpath(*_DATA)) is not None]


def _competitions_in(folder: Path) -> list[str]:
    """Return the names of the folders in a folder that hold the competition's images."""
    names = sorted(entry.name for entry in storage.entries(folder) if entry.kind == "folder")
    return [name for name in names if storage.real_folder(folder.joinpath(name, *_DATA))]


def _distinct(places: Iterable[Path]) -> dict[Path | None, Path]:
    """Return the folders that are there by where they really lie, each under its first name."""
    by_real_path: dict[Path | None, Path] = {}
    for path in places:
        if (real := storage.real_folder(path)) is not None:
            by_real_path.setdefault(real, path)
    return by_real_path


def _only(found: dict[Path | None, Path], what: str) -> Path | None:
    if len(found) > 1:
        raise TreeRefused(
            what,
            expected="one folder",
            found=Lines.of(found.values()),
            remedy="move one of them away, or name a folder that holds only one of them",
        )
    return next(iter(found.values()), None)
