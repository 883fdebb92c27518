"""Guesses from file names which files of a class are too many or missing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from pipeline.errors import abbreviate

_NUMBER: Final = re.compile(r"[0-9]+")
_LAST_NUMBER: Final = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)
_MOST_NAMED: Final = 4


def describe(wnid: str, names: Sequence[str], expected: int) -> str:
    """Return what can be said of the files of a class that are too many or too few.

    Args:
        wnid: the class, which names of its files often begin with.
        names: of its files.
        expected: how many there should be.

    Returns:
        such as ``not named like the others: n01440764_1 (1).JPEG``; empty if nothing is known.
    """
    if len(names) > expected:
        odd = unlike_others(wnid, names)
        return f"not named like the others: {abbreviate(odd, _MOST_NAMED)}" if odd else ""
    absent = missing(names, expected)
    return f"missing: {abbreviate(absent, _MOST_NAMED)}" if absent else ""


def unlike_others(wnid: str, names: Sequence[str]) -> list[str]:
    """Return the names that differ in more than numbers from what more than half of all have."""
    shapes = [_shape(wnid, name) for name in names]
    usual, count = Counter(shapes).most_common(1)[0] if shapes else ("", 0)
    if 2 * count <= len(names):
        return []
    return [name for name, shape in zip(names, shapes, strict=True) if shape != usual]


def missing(names: Sequence[str], expected: int) -> list[str]:
    """Return which names a class lacks, where its files are numbered without gaps.

    Numbers are taken to run from 0 if there is a 0, and else from 1 if there is the last one.
    """
    parts = [_LAST_NUMBER.fullmatch(name) for name in names]
    matches = [match for match in parts if match is not None]
    if len(matches) < len(names) or len({(match[1], match[3]) for match in matches}) != 1:
        return []
    numbers = {int(match[2]): match for match in matches}
    first = 0 if 0 in numbers else 1
    wanted = range(first, first + expected)
    if not numbers.keys() <= set(wanted) or (first == 1 and expected not in numbers):
        return []
    start, _, end = matches[0].groups()
    padded = any(match[2].startswith("0") and len(match[2]) > 1 for match in matches)
    width = len(matches[0][2]) if padded else 0
    return [f"{start}{n:0{width}d}{end}" for n in wanted if n not in numbers]


def _shape(wnid: str, name: str) -> str:
    return _NUMBER.sub("0", name.replace(wnid, "<class>"))
