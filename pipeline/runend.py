"""How a command ended: a small file in its folder, for whoever asks later."""

from __future__ import annotations

import contextlib
import json
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline import paths, storage
from pipeline.errors import ShardmillError

UNKNOWN = -1
_STAMP = 15  # characters of a name, see `Supervisor.name`
_STARTED = re.compile(r"\d{8}-\d{6}-")


@dataclass(frozen=True)
class RunEnd:
    """The end of a command.

    Attributes:
        time: seconds since the epoch.
        status: its exit status; `UNKNOWN` of a command that has noted nothing.
        reason: why, in words; "" of a complete one.
    """

    time: float
    status: int
    reason: str


def note(out: Path, run: str, status: int, reason: str) -> None:
    """Note how a command ended; a full disk decides nothing here."""
    content = json.dumps(asdict(RunEnd(time.time(), status, reason))).encode()
    with contextlib.suppress(ShardmillError):
        storage.write_unsynced(paths.run_end(out, run), content)


def last(out: Path) -> RunEnd | None:
    """Return how the command that was started last ended; None: there is none.

    A command that was killed, or is at work, has noted nothing: its status is `UNKNOWN`.
    """
    begun = sorted(name for name in storage.folders(paths.runs(out)) if _STARTED.match(name))
    if not begun:
        return None
    path = paths.run_end(out, begun[-1])
    with contextlib.suppress(ShardmillError, ValueError, TypeError):
        if storage.stat(path) is not None:
            return RunEnd(**json.loads(storage.read_bytes(path)))
    return RunEnd(_time_of(begun[-1]), UNKNOWN, "")


def _time_of(run: str) -> float:
    """Return when a run was started, by its name: local time."""
    return time.mktime(time.strptime(run[:_STAMP], "%Y%m%d-%H%M%S"))
