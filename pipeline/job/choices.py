"""Values of options that are some words, and what is said about a misspelt one."""

from __future__ import annotations

from collections.abc import Iterable


def say_meant(word: str, known: Iterable[str]) -> str | None:
    """Return what to do about an unknown word: say the one that was meant; None: nobody knows."""
    from pipeline.names import meant  # noqa: PLC0415 - storage: not for every command

    likely = meant(word, known)
    return f"say {likely}" if likely else None


def words(text: str) -> tuple[str, ...]:
    """Split a list that is given with commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
