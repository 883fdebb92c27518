"""Where this host keeps what is no result: locks, logs, counters, timings, failures."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from pipeline.storage.local import userfolders
from pipeline.storage.location import Location

_LOCAL: Final = ".shardmill"
_REFUSED: Final = re.compile(r"[^\w.-]|^\.+", re.ASCII)
_LONGEST_NAME: Final = 64
_DIGITS: Final = 12


def host_state(out: Location) -> Path:
    """Return the folder of this host for what is no result of an output folder; nothing is made.

    Of a local folder it lies in that. Of an address it lies below the user's state folder, where
    every command that names the address finds it.

    Raises:
        UsageError: the user has no home folder.
    """
    if isinstance(out, Path):
        return out / _LOCAL
    digest = hashlib.sha256(str(out).encode()).hexdigest()[:_DIGITS]
    name = _REFUSED.sub("_", out.name)[:_LONGEST_NAME]
    return userfolders.state("XDG_STATE_HOME: a folder for locks and logs") / f"{digest}-{name}"
