"""Which split a file or folder is of, by what it is called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from pipeline.sources import split_names

_WORDS: Final = {
    "train": ("train", "train"),
    "training": ("train", "train"),
    "val": ("validation", "val"),
    "valid": ("validation", "val"),
    "validation": ("validation", "val"),
    "test": ("test", "test"),
    "testing": ("test", "test"),
}
"""Word in a name -> name of the split, and its folder in a tree."""
_PARTS: Final = re.compile(r"[a-z]+|[0-9]+")


def word(name: str) -> str | None:
    """Return the split that a word in a name means, such as ``train`` in ``pets_train.tar``.

    None: there is no such word, or there are words for two.
    """
    found = {_WORDS[part][0] for part in _PARTS.findall(name.lower()) if part in _WORDS}
    return found.pop() if len(found) == 1 else None


def is_alone(name: str, others: Sequence[str]) -> bool:
    """Whether no other of some names means the same split by a word in it."""
    return sum(word(other) == word(name) for other in others) == 1


def split_and_folder(name: str, *, by_word: bool = True) -> tuple[str, str]:
    """Return what a split is called that a file of this name holds, and its folder in a tree.

    Args:
        name: of the file, such as ``pets_train.tar``.
        by_word: whether a word in it counts; else it is called by the stem of the file.
    """
    split = word(name) if by_word else None
    if split is not None:
        return split, dict(_WORDS.values())[split]
    called = split_names.of_file(stem(name)).lstrip("_")
    return called, called


def stem(name: str) -> str:
    """Return a name without the suffixes of archives and lists."""
    cut = re.search(r"\.tars\Z|(?:\.tar)?(?:\.gz)?\Z|\.tgz\Z|\.txt\Z", name, re.IGNORECASE)
    return name[: cut.start()] if cut and cut.start() else name
