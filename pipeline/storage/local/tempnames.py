"""Names of temporary files: each says which process it belongs to."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from pipeline.storage.local import owner
from pipeline.storage.local.owner import Owner

LOCK_PROBE, WRITE_PROBE = "locks", "probe"
SCRATCH = frozenset({LOCK_PROBE, WRITE_PROBE})
"""Targets of temporary files that are never published: they only find out what a folder can."""
_LONGEST_STEM = 140  # bytes of the target's name: with owner and chance they fit 255
_TEMP = re.compile(
    r"\.(?P<target>.+)\.(?P<host>[^.]+)-(?P<pid>\d{1,7})"
    r"(-(?P<place>[0-9a-f]{8})-(?P<birth>[0-9a-f]{8}))?"  # earlier versions wrote none
    r"-(?P<token>[0-9a-f]{8})\.tmp"
)


def temp_path(path: Path, token: str = "") -> Path:
    """Return a hidden name beside `path` that no other process will choose.

    Args:
        path: what the file becomes.
        token: 8 hexadecimal digits that end the name; "": of chance.
    """
    mine = owner.current()
    tail = f"{mine.host}-{mine.pid}-{mine.place}-{mine.birth}-{token or secrets.token_hex(4)}"
    return path.with_name(f"{temp_prefix(path)}{tail}.tmp")


def temp_prefix(path: Path) -> str:
    """Return what the names of all temporary files of `path` begin with."""
    return f".{os.fsdecode(os.fsencode(path.name)[:_LONGEST_STEM])}."


def target_of(name: str) -> tuple[str, bool]:
    """Return the name of what a temporary file becomes, and whether that is cut off at its end."""
    match = _TEMP.fullmatch(name)
    target = match["target"] if match else name
    return target, len(os.fsencode(target)) >= _LONGEST_STEM


def token_of(name: str) -> str:
    """Return the 8 hexadecimal digits of chance in the name of a temporary file; "": it is none."""
    match = _TEMP.fullmatch(name)
    return match["token"] if match else ""


def owner_of(name: str) -> Owner | None:
    """Return the owner that the name of a temporary file says; None if it is no such name."""
    match = _TEMP.fullmatch(name)
    if match is None:
        return None
    place, birth = match["place"] or "", match["birth"] or ""
    return Owner(match["host"], int(match["pid"]), place, birth)
