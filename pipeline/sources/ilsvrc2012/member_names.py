"""The `member` pattern of a flat split: which image a file's name stands for.

A configuration may come from anywhere, and Python's own matcher takes exponential time for some
patterns, such as ``((?:a+)+)b``. RE2, which Arrow has on board, matches in time that grows with the
length of the name alone; it has neither look-around nor references back to a group, which a name
needs no more than that.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

LONGEST_PATTERN: Final = 1000
"""Characters of a pattern."""

_A_NAME: Final = pa.array([""])


class NoPattern(Exception):
    """Why a text is no pattern, or what it lacks."""


def check_pattern(text: str) -> None:
    """Check that a text is a pattern for names of members.

    Raises:
        NoPattern: it is no regular expression of RE2, is too long, or does not have one group.
    """
    if len(text) > LONGEST_PATTERN:
        raise NoPattern(f"{len(text):,} characters, where {LONGEST_PATTERN:,} are allowed")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of what another Python will read otherwise
            groups = re.compile(text).groups
        for each in (text, _whole(text)):
            pc.match_substring_regex(_A_NAME, each)
    except pa.ArrowInvalid as error:
        found = str(error).removeprefix("Invalid regular expression: ")
        raise NoPattern(f"no regular expression of RE2: {found}") from error
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise NoPattern(f"no regular expression: {error}") from error
    if groups != 1:
        raise NoPattern(f"{groups} groups in place of one, which is the image's number")


def image_numbers(pattern: str, names: Sequence[str]) -> list[int]:
    """Return the number in each name; 0 where a name does not match as a whole, or has none.

    Args:
        pattern: one that `check_pattern` allows.
        names: of members or files.
    """
    texts, whole = pa.array(names, pa.string()), _whole(pattern)
    matched = pc.match_substring_regex(texts, whole)
    digits = pc.if_else(matched, pc.replace_substring_regex(texts, whole, r"\1"), "")
    return [int(text) if text.isascii() and text.isdigit() else 0 for text in digits.to_pylist()]


def _whole(pattern: str) -> str:
    return rf"\A(?:{pattern})\z"
