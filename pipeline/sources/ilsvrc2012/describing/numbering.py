"""Which part of the names of a flat archive's images is their number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import plaintext
from pipeline.errors import abbreviate
from pipeline.sources.ilsvrc2012.dataset import MAX_IMAGES
from pipeline.sources.ilsvrc2012.member_names import NoPattern, check_pattern

_NAME: Final = r"(?s)^(?P<stem>.*?)(?P<suffix>\.[A-Za-z][A-Za-z0-9]*)?$"
_DIGITS: Final = re.compile("([0-9]+)")
_SPECIAL: Final = re.compile(r"([\\.^$*+?{}\[\]()|])")
_MOST_DIGITS: Final = 18  # of a number: it fits an int64
_MOST_SHOWN: Final = 3


@dataclass(frozen=True, eq=False)
class Numbering:
    """How images are numbered.

    Attributes:
        member: the pattern of their names, as `SplitConfig.member` has it.
        numbers: (n,) int64, the number of each, sorted, from 1, each once.
    """

    member: str
    numbers: NDArray[np.int64]

    @property
    def highest(self) -> int:
        """The largest number."""
        return int(self.numbers[-1])

    @property
    def is_consecutive(self) -> bool:
        """Whether the numbers are those from 1 to `highest`."""
        return self.highest == len(self.numbers)


class NotNumbered(Exception):
    """Why images have no numbers that a configuration could name."""


def find(names: pa.StringArray) -> Numbering:
    """Return how images are numbered.

    Their names are to be the same but for digits and suffixes. Where several groups of digits
    differ from name to name, the number is the last one that no two names have in common.

    Args:
        names: (n,) of the files, without folders; at least one.

    Raises:
        NotNumbered: they are not, or not from 1, or there are more than a split may have.
    """
    parts = pc.extract_regex(names, _NAME)
    stems, suffixes = parts.field("stem"), pc.unique(parts.field("suffix"))
    shapes = pc.unique(pc.replace_substring_regex(stems, "[0-9]+", "0"))
    if len(shapes) > 1:
        some = [names[pc.index(stems, stem).as_py()].as_py() for stem in _of_each_shape(stems)]
        shown = abbreviate(map(plaintext.line, some), _MOST_SHOWN)
        raise NotNumbered(f"their names differ in more than numbers: {shown}")
    literals = _DIGITS.split(stems[0].as_py())[::2]
    groups = _groups(stems, literals)
    place = _number_group(groups)
    member = _pattern(literals, groups, place, sorted(suffixes.to_pylist()))
    try:
        check_pattern(member)
    except NoPattern as error:
        raise NotNumbered(f"their names cannot be told by a pattern: {error}") from error
    return Numbering(member, _numbers(groups[place]))


def _of_each_shape(stems: pa.StringArray) -> list[str]:
    """Return a stem of each of the first shapes."""
    shapes = pc.replace_substring_regex(stems, "[0-9]+", "0")
    firsts = (pc.index(shapes, shape).as_py() for shape in pc.unique(shapes)[: _MOST_SHOWN + 1])
    return [stems[first].as_py() for first in firsts]


def _groups(stems: pa.StringArray, literals: list[str]) -> list[pa.StringArray]:
    """Return the groups of digits of stems that are the same but for these."""
    names = [f"g{place}" for place in range(len(literals) - 1)]
    texts = [_escaped(literal) for literal in literals]
    digits = [f"(?P<{name}>[0-9]+)" for name in names]
    pattern = "".join(map("".join, zip(texts, [*digits, ""], strict=True)))
    found = pc.extract_regex(stems, f"(?s)^{pattern}$") if names else None
    return [] if found is None else [found.field(name) for name in names]


def _number_group(groups: list[pa.StringArray]) -> int:
    """Return which group is the number of the images.

    Raises:
        NotNumbered: none is.
    """
    for place in reversed(range(len(groups))):
        if pc.count_distinct(groups[place]).as_py() == len(groups[place]):
            return place
    if groups:
        raise NotNumbered("two of their names have the same number")
    raise NotNumbered("there is no number in their names")


def _numbers(texts: pa.StringArray) -> NDArray[np.int64]:
    if pc.max(pc.binary_length(texts)).as_py() > _MOST_DIGITS:
        raise NotNumbered(f"numbers of more than {_MOST_DIGITS} digits")
    numbers: NDArray[np.int64] = np.sort(texts.cast(pa.int64()).to_numpy())
    if numbers[0] == 0:
        raise NotNumbered("their numbers begin with 0, and those of a flat split with 1")
    if np.any(numbers[1:] == numbers[:-1]):
        raise NotNumbered("two of their names have the same number")
    if numbers[-1] > MAX_IMAGES:
        raise NotNumbered(f"a number above {MAX_IMAGES:,}: {numbers[-1]:,}")
    return numbers


def _pattern(
    literals: list[str], groups: list[pa.StringArray], place: int, suffixes: list[str]
) -> str:
    """Return the pattern of whole names; groups that are no number are what all have in them."""
    text = _escaped(literals[0])
    for each, (digits, literal) in enumerate(zip(groups, literals[1:], strict=True)):
        if each == place:
            text += _digits(digits)
        else:
            text += digits[0].as_py() if pc.count_distinct(digits).as_py() == 1 else r"\d+"
        text += _escaped(literal)
    ends = [_escaped(suffix) for suffix in suffixes]
    return text + (ends[0] if len(ends) == 1 else f"(?:{'|'.join(ends)})")


def _digits(texts: pa.StringArray) -> str:
    """Return the pattern of numbers: of so many digits, where they begin with zeros."""
    width = pc.min_max(pc.binary_length(texts)).as_py()
    padded = width["min"] == width["max"] > 1 and pc.any(pc.starts_with(texts, "0")).as_py()
    return rf"(\d{{{width['min']}}})" if padded else r"(\d+)"


def _escaped(literal: str) -> str:
    return _SPECIAL.sub(r"\\\1", literal)
