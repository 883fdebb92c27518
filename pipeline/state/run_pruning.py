"""Removes the folders of commands that ended long ago: their logs, timings and failure records."""

from __future__ import annotations

import time
from typing import Final

from pipeline import paths, storage
from pipeline.state import run_end
from pipeline.storage import Location

_SILENT_S: Final = 86_400.0
"""A command that notes no end was killed if so long nothing of its folder has changed."""


def prune(out: Location, keep: int) -> int:
    """Remove the folders of commands that have ended, but the newest ones.

    What is in such a folder and is nothing of this program's stays, and the folder with it.

    Args:
        out: the output folder; of a store the folders are on this host.
        keep: how many folders of ended commands stay.

    Returns:
        How many folders were removed from.
    """
    names = storage.folders(paths.runs(out))
    started = {name: at for name in names if (at := run_end.time_of(name)) is not None}
    ended = sorted(
        (name for name in started if _has_ended(out, name)),
        # Of those that were started in one second the one that ended last is the newest.
        key=lambda name: (started[name], storage.modified_ns(paths.run_end(out, name)) or 0),
    )
    old = ended[: max(0, len(ended) - keep)]
    return sum(_remove(out, name) for name in old)


def _has_ended(out: Location, run: str) -> bool:
    if storage.stat(paths.run_end(out, run)) is not None:
        return True
    counters = paths.run_counters(out, run)
    files = [paths.run_log(out, run), paths.run_timings(out, run)]
    files += [counters / name for name in storage.sizes(counters)]
    times = [at for at in map(storage.modified_ns, files) if at is not None]
    return bool(times) and time.time() - max(times) / 1e9 > _SILENT_S


def _remove(out: Location, run: str) -> bool:
    """Remove the folder of a command; return whether anything was there to remove."""
    own = {paths.run_log(out, run), paths.run_timings(out, run), paths.run_end(out, run)}
    lists = {paths.run_failures(out, run), paths.run_counters(out, run)}

    def owns(path: Location) -> bool:
        is_listed = path.parent in lists and storage.extension(path.name) == ".json"
        return path in own or path in lists or is_listed

    plan = storage.plan_folder(storage.host_root(out), paths.run(out, run), owns)
    return bool(storage.carry_out(plan).removed)
