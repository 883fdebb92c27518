"""Names of splits that no configuration gives: those that are given, or made of a file's name."""

from __future__ import annotations

import re
from typing import Final

from pipeline import digests
from pipeline.errors import UsageError

_LONGEST: Final = 200  # with what files of a split add, it fits the 255 bytes of a file name
_LIST: Final = re.compile(r"\.(?:lst|csv|tsv|jsonl|ndjson|parquet|json)\Z")
_COCO: Final = re.compile(r"instances_(.+)\.json")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")

EXPECTED: Final = f"letters, digits, _; {_LONGEST} at most"
"""What a name of a split is, in words."""


def check(name: str, option: str = "--name") -> None:
    """Check a name that was given with an option; "" is none.

    Raises:
        UsageError: files cannot be named so.
    """
    if name and not is_name(name):
        raise UsageError(f"{option} {name}: not a name for shards", expected=EXPECTED, found=name)


def is_name(name: str) -> bool:
    """Whether files can be named so."""
    return _NAME.fullmatch(name) is not None and len(name) <= _LONGEST


def of_file(name: str) -> str:
    """Return a name for files made of that of a list or folder; a long one is cut.

    ``instances_train.json``, as COCO calls its files, is of the split train.
    """
    known = _COCO.fullmatch(name)
    short = known[1] if known else _LIST.sub("", name)
    stem = re.sub(r"[^A-Za-z0-9_]+", "_", short).strip("_") or "images"
    if len(stem) <= _LONGEST:
        return stem
    tail = f"_{digests.digest({'name': stem})}"
    return stem[: _LONGEST - len(tail)] + tail
