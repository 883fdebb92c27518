"""Values of options that are one of some words, and which of them a misspelt word meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def meant(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that an unknown one most likely stands for, such as its beginning.

    None where there is no such word, or more than one with the same beginning.
    """
    words = list(known)
    begun = [each for each in words if word and (each.startswith(word) or word.startswith(each))]
    if begun:
        return begun[0] if len(begun) == 1 else None
    return next(iter(difflib.get_close_matches(word.lower(), words, n=1)), None)


def say_meant(word: str, known: Iterable[str]) -> str | None:
    """Return what to do about an unknown word: say the one that was meant; None: nobody knows."""
    likely = meant(word, known)
    return f"say {likely}" if likely else None


def words(text: str) -> tuple[str, ...]:
    """Split a list that is given with commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
