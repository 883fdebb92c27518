"""How ``shardmill clean`` names and removes plain tars that lie beside their packed archives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.quantities import counted, size
from pipeline.state import left_plain_tars, plain_tars_in_use, status
from pipeline.state.left_plain_tars import LeftTars
from tasks.cli.reaching import Reached
from tasks.cli.saying import say


def left(reached: Reached) -> LeftTars:
    """Return the plain tars of packed archives that nobody reads now, and say them."""
    jobs = reached.as_given(status.recorded_jobs(reached.out))
    tars = left_plain_tars.left(jobs)
    for path, length in tars.whole.items():
        say(f"unpacked from the archive beside it, and read by no command: {path}, {size(length)}")
    return tars


def remove(tars: Sequence[Path]) -> None:
    """Remove plain tars that were shown, unless somebody reads them by now, and say which stay."""
    kept = [path for path in tars if not plain_tars_in_use.remove_alone(path)]
    for path in kept:
        say(f"left alone: {path} has changed since, or is in use")
    if tars:
        say(f"removed beside their archives: {counted(len(tars) - len(kept), 'tar')}")
