"""Names of splits that no configuration gives: those that are given, or made of a file's name."""

from __future__ import annotations

import re
from typing import Final

from pipeline import digests
from pipeline.errors import UsageError

_LONGEST: Final = 200  # with what files of a split add, it fits the 255 bytes of a file name
_LIST: Final = re.compile(r"\.(?:lst|csv|tsv|jsonl|ndjson)\Z")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")


def check(name: str) -> None:
    """Check a name that was given; "" is none.

    Raises:
        UsageError: files cannot be named so.
    """
    if name and not (_NAME.fullmatch(name) and len(name) <= _LONGEST):
        what = f"--name {name}: not a name for shards"
        raise UsageError(what, expected=f"letters, digits, _; {_LONGEST} at most", found=name)


def of_file(name: str) -> str:
    """Return a name for files made of that of a list or folder; a long one is cut."""
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", _LIST.sub("", name)).strip("_") or "images"
    if len(stem) <= _LONGEST:
        return stem
    tail = f"_{digests.digest({'name': stem})}"
    return stem[: _LONGEST - len(tail)] + tail
