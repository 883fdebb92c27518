"""Names of temporary files: each says which process it belongs to."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from pipeline.storage import owner
from pipeline.storage.owner import Owner

_LONGEST_STEM = 140  # bytes of the target's name: with owner and chance they fit 255
_TEMP = re.compile(
    r"\..+\.(?P<host>[^.]+)-(?P<pid>\d{1,7})"
    r"(-(?P<place>[0-9a-f]{8})-(?P<birth>[0-9a-f]{8}))?"  # earlier versions wrote none
    r"-[0-9a-f]{8}\.tmp"
)


def temp_path(path: Path) -> Path:
    """Return a hidden name beside `path` that no other process will choose."""
    mine = owner.current()
    tail = f"{mine.host}-{mine.pid}-{mine.place}-{mine.birth}-{secrets.token_hex(4)}"
    return path.with_name(f"{temp_prefix(path)}{tail}.tmp")


def temp_prefix(path: Path) -> str:
    """Return what the names of all temporary files of `path` begin with."""
    return f".{os.fsdecode(os.fsencode(path.name)[:_LONGEST_STEM])}."


def owner_of(name: str) -> Owner | None:
    """Return the owner that the name of a temporary file says; None if it is no such name."""
    match = _TEMP.fullmatch(name)
    if match is None:
        return None
    place, birth = match["place"] or "", match["birth"] or ""
    return Owner(match["host"], int(match["pid"]), place, birth)
