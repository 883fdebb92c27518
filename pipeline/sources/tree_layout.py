"""Where the parts of an unpacked ILSVRC2012 lie, in the layouts that are about.

::

    DIR/train  DIR/val                                 by the names of splits and their folders
    DIR/ILSVRC2012_img_train  DIR/ILSVRC2012_img_val   by the archives' names
    DIR/bboxes                                         the boxes of training images, beside them
    DIR/ILSVRC/Data/CLS-LOC/{train,val,test}           the competition's download
    DIR/ILSVRC/Annotations/CLS-LOC/{train,val}
    DIR/LOC_val_solution.csv

A DIR that is itself ``ILSVRC``, ``ILSVRC/Data`` or ``ILSVRC/Data/CLS-LOC`` is one of these, too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline import storage
from pipeline.config import SplitConfig
from pipeline.errors import TreeRefused

_COMPETITION = ("ILSVRC", "Data", "CLS-LOC")
_SOLUTION = "LOC_val_solution.csv"
_SHOWN = 8


def find(tree: Path, split: SplitConfig, *, also: Path | None = None) -> str:
    """Return which folder of a tree holds a split, relative to the tree, "/"-separated.

    Args:
        tree: the folder of the unpacked set.
        split: the split's configuration.
        also: a folder that is not meant where there is another: a product may lie in the tree.

    Raises:
        TreeRefused: there is no such folder, or more than one.
    """
    found = look(tree, split, also=also)
    if found is None:
        here = sorted(entry.name for entry in storage.entries(tree) if entry.kind == "folder")
        more = ["…"] if len(here) > _SHOWN else []
        raise TreeRefused(
            f"split {split.name}: its folder of images is not there",
            file=str(tree),
            expected=f"one of the folders {', '.join(_image_folders(split))}",
            found=", ".join([*here[:_SHOWN], *more]) or "no folder",
            remedy="name the folder that holds the split's folder, or choose other splits",
        )
    return found


def look(tree: Path, split: SplitConfig, *, also: Path | None = None) -> str | None:
    """Do as `find` does, but return None where the split has no folder.

    Raises:
        TreeRefused: the tree itself is absent, or there is more than one such folder.
    """
    if storage.real_folder(tree) is None:
        raise TreeRefused("there is no such folder", file=str(tree), expected="a folder of images")
    found = _distinct(tree / name for name in _image_folders(split))
    if also is not None and len(found) > 1:
        found.pop(storage.real_folder(also), None)
    path = _only(found, f"split {split.name}: two folders could hold its images")
    return None if path is None else "/".join(path.relative_to(tree).parts)


def annotation_folder(tree: Path, split: SplitConfig) -> Path | None:
    """Return the folder of a split's XML annotations, or None if the tree has none.

    Raises:
        TreeRefused: there is more than one.
    """
    places = [
        around / start / "Annotations" / "CLS-LOC" / split.folder
        for around in _around(tree)
        for start in (_COMPETITION[0], "")
    ]
    if split.layout == "class-tars":
        places.append(tree / "bboxes")
    return _only(_distinct(places), f"split {split.name}: two folders could hold its annotations")


def solution_file(tree: Path) -> Path | None:
    """Return where the validation classes of the competition's download lie, or None."""
    folders = [around / start for around in _around(tree) for start in ("", _COMPETITION[0])]
    found = [folder / _SOLUTION for folder in folders if storage.stat(folder / _SOLUTION)]
    return found[0] if found else None


def _image_folders(split: SplitConfig) -> list[str]:
    plain = [split.folder, split.name, split.archive.removesuffix(".tar")]
    starts = ["/".join(_COMPETITION[place:]) for place in range(len(_COMPETITION))]
    return list(dict.fromkeys([*plain, *(f"{start}/{split.folder}" for start in starts)]))


def _around(tree: Path) -> list[Path]:
    """Return the tree and, where it is a part of the competition's download, that."""
    parts = tree.absolute().parts
    for length in range(1, len(_COMPETITION) + 1):
        if parts[-length:] == _COMPETITION[:length]:
            return [tree, tree.absolute().parents[length - 1]]
    return [tree]


def _distinct(places: Iterable[Path]) -> dict[Path | None, Path]:
    """Return the folders that are there by where they really lie, each under its first name."""
    found: dict[Path | None, Path] = {}
    for path in places:
        if (real := storage.real_folder(path)) is not None:
            found.setdefault(real, path)
    return found


def _only(found: dict[Path | None, Path], what: str) -> Path | None:
    if len(found) > 1:
        raise TreeRefused(
            what,
            expected="one folder",
            found="\n".join(map(str, found.values())),
            remedy="move one of them away, or name a folder that holds only one of them",
        )
    return next(iter(found.values()), None)
