"""How a command ended: a small file in its folder, for whoever asks later."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from dataclasses import asdict, dataclass
from typing import Annotated, Final

from msgspec import Meta

from pipeline import manifest, paths, storage
from pipeline.documents.decoding import decoded
from pipeline.documents.values import Seconds, Text
from pipeline.errors import ShardmillError
from pipeline.storage import Location

UNKNOWN = -1
ASSISTANT: Final = "-worker"
"""The end of the name of a command that only works for others: its end says nothing of theirs."""
_LARGEST = 255  # exit status
_STAMP = 15  # characters of a name, see `new_name`
_STARTED = re.compile(r"[0-9]{8}-[0-9]{6}-")


@dataclass(frozen=True)
class RunEnd:
    """The end of a command.

    Attributes:
        time: seconds since the epoch.
        status: its exit status; `UNKNOWN` of a command that has noted nothing.
        reason: why, in words; "" of a complete one.
    """

    time: Seconds
    status: Annotated[int, Meta(ge=UNKNOWN, le=_LARGEST)]
    reason: Text


def new_name(suffix: str = "") -> str:
    """Return a name for a command that is started now: when, where, and which of several.

    Args:
        suffix: `ASSISTANT` of a command that only works for others.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return f"{stamp}-{storage.host_name()}-{secrets.token_hex(3)}{suffix}"


def note_complete(out: Location, status: int) -> None:
    """Note that a command found everything complete, if the last one is noted to end otherwise."""
    end = last(out)
    if end is not None and end.status != status:
        note(out, new_name(), status, "")


def note(out: Location, run: str, status: int, reason: str) -> None:
    """Note how a command ended; a full disk decides nothing here."""
    content = json.dumps(asdict(RunEnd(time.time(), status, reason))).encode()
    with contextlib.suppress(ShardmillError):
        storage.write_unsynced(paths.run_end(out, run), content)


def last(out: Location) -> RunEnd | None:
    """Return how the command that was started last ended; None: there is none.

    A command that was killed, or is at work, has noted nothing: its status is `UNKNOWN`.
    """
    names = (name for name in storage.folders(paths.runs(out)) if not name.endswith(ASSISTANT))
    begun = [(time_of(name), name) for name in sorted(names)]
    started = max((at for at, _ in begun if at is not None), default=None)
    if started is None:
        return None
    # Of those that were started in one second the one that ended last.
    ends = [_end_of(out, name) for at, name in begun if at == started]
    known = [end for end in ends if end is not None]
    return max(known, key=lambda end: end.time, default=RunEnd(started, UNKNOWN, ""))


def _end_of(out: Location, run: str) -> RunEnd | None:
    path = paths.run_end(out, run)
    with contextlib.suppress(ShardmillError):
        if storage.stat(path) is not None:
            return decoded(storage.read_bytes(path, manifest.MOST_BYTES), RunEnd, path)
    return None


def time_of(run: str) -> float | None:
    """Return when a run was started, by its name: local time; None: it is no name of a run."""
    if not _STARTED.match(run):
        return None
    with contextlib.suppress(ValueError, OverflowError):
        return max(0.0, time.mktime(time.strptime(run[:_STAMP], "%Y%m%d-%H%M%S")))
    return None
