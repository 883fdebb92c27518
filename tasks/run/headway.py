"""Notices a run without progress: a step that is done again and again and is never complete."""

from __future__ import annotations

from typing import Final

from pipeline import paths
from pipeline.errors import ShardmillError
from pipeline.state import progress
from pipeline.storage import Location

_REPEATS: Final = 5
"""So often a command may do one step: it is done again where an image is replaced meanwhile."""


def endless(out: Location, run: str) -> ShardmillError | None:
    """Return what is wrong if a command does a step again and again; None: it does not.

    Args:
        out: the output folder.
        run: the name of the command's run.
    """
    step, times = progress.most_repeated(progress.timings(out, run))
    if times <= _REPEATS:
        return None
    return ShardmillError(
        "a step was done again and again, and each time what it made was not there after it",
        file=str(out),
        place=step,
        expected=f"at most {_REPEATS} times in a command, whatever is changed meanwhile",
        found=f"{times} times",
        remedy="look what removes or changes its files, such as a program that tidies up, then run"
        f" the same command again; what was done when stands in {paths.run_log(out, run)}",
    )
