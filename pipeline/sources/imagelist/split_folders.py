"""Folders that are splits: ``train/<class>`` and ``val/<class>`` below one folder.

Walked as one folder of class folders, as im2rec.py does, each class would have a label for every
split, and images for validation would lie among those for training.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pipeline import storage
from pipeline.catalog.class_table import normal
from pipeline.errors import TreeRefused
from pipeline.sources.imagelist import folder as listing
from pipeline.sources.imagelist.own_pages import is_page
from pipeline.storage import Location
from pipeline.storage.clutter import is_clutter

_WORDS: Final = "train|training|val|valid|validation|test|testing|dev|eval|evaluation|holdout"
_SPLIT: Final = re.compile(
    rf"(?:.*[-_ .])?(?:{_WORDS})[-_ ]?(?:set|data|images?|split|[0-9]+)?", re.IGNORECASE
)
_ALIKE: Final = 0.5  # the share of a split's classes that the largest split has, too


@dataclass(frozen=True)
class Repeated:
    """A class that is there in two splits.

    Attributes:
        above: the folder that the splits lie in, relative; empty: the one that was walked.
        first: the name of one split.
        second: that of the other.
        rest: the class folder in both, relative to them; empty: they are class folders themselves.
    """

    above: str
    first: str
    second: str
    rest: str

    def folder(self, split: str) -> str:
        """Return the class folder in a split."""
        return "/".join(part for part in (self.above, split, self.rest) if part)


def is_split(name: str) -> bool:
    """Whether a folder is named as a split: ``train``, ``val``, ``img_test``, ``train2017``."""
    return _SPLIT.fullmatch(name) is not None


def find(root: Location, extensions: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the folders in a folder that are splits of the same classes, sorted.

    They are if they are named so, hold mostly the same folders, and no image lies beside them.

    Args:
        root: the folder.
        extensions: what names of images end in.
    """
    there = storage.folders(root, links=True)
    inner = [name for name in there if not (is_clutter(name) or is_page(root, name, there))]
    children = {
        name: frozenset(normal(c) for c in storage.folders(root / name, links=True))
        for name in inner
        if is_split(name)
    }
    if not _alike(children) or listing.holds_image(root, extensions, recursive=False):
        return ()
    others = (root / name for name in inner if name not in children)
    strays = any(listing.holds_image(other, extensions, recursive=True) for other in others)
    return () if strays else tuple(sorted(children))


def beside(root: Location, splits: Sequence[str]) -> tuple[str, ...]:
    """Return the names of what lies beside splits and is no clutter: it is passed over."""
    names = (entry.name for entry in storage.entries(root))
    return tuple(sorted(name for name in names if name not in splits and not is_clutter(name)))


def check(root: Location, classes: Sequence[str]) -> None:
    """Raise if class folders are the same classes, once for each split.

    Args:
        root: the folder that was walked.
        classes: the class folders in it.

    Raises:
        TreeRefused: they are.
    """
    twice = repeated(classes)
    if twice is not None:
        raise TreeRefused(
            "folders that are named as splits hold the same classes: each would have two labels",
            file=str(root),
            expected="the class folders of one split, or nothing but splits of the same classes",
            found=f"{twice.folder(twice.first)} and {twice.folder(twice.second)}",
            remedy=f"{_each_alone(root, twice)}; or, if these are classes, name all class folders"
            " in a file, as they are named here, and say --classes FILE",
        )


def repeated(classes: Sequence[str]) -> Repeated | None:
    """Return a class that is there in two splits; None: there is none."""
    flat = all(is_split(name) for name in classes)
    seen: dict[tuple[str, str], str] = {}
    for name in classes:
        parts = normal(name).split("/")
        for place, part in enumerate(parts):
            if is_split(part) and (flat or len(parts) > 1):
                above, rest = "/".join(parts[:place]), "/".join(parts[place + 1 :])
                first = seen.setdefault((above, rest), part)
                if first != part:
                    return Repeated(above, first, part, rest)
    return None


def _each_alone(root: Location, twice: Repeated) -> str:
    """Return what to do to have the splits as splits."""
    if twice.rest:
        above = storage.below(root, twice.above)
        first, second = sorted((twice.first, twice.second), key=lambda name: "train" not in name)
        return (
            f"run the command for {above / first} first, with --name {first}, then for"
            f" {above / second} with --name {second} --classes OUT/lists/{first}.classes.tsv"
        )
    if twice.above:
        return f"put the class folders of each split together, as {twice.first}/{twice.above}"
    return f"run the command for {root / twice.first} and the others alone, without --recursive"


def _alike(children: Mapping[str, frozenset[str]]) -> bool:
    """Whether splits hold mostly the same folders."""
    if len(children) < 2:  # noqa: PLR2004 - what is alike is two things or more
        return False
    largest = max(children.values(), key=len)
    return all(each and len(each & largest) >= _ALIKE * len(each) for each in children.values())
