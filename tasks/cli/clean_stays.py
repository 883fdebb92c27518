"""What ``shardmill clean`` leaves alone and names: temporary files, strangers, sets of others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pipeline import paths, storage
from pipeline.state import cleaning, status
from pipeline.state.cleaning import Stale
from pipeline.storage import Location, Plan, TempFile
from tasks.cli import text
from tasks.cli.reaching import Reached
from tasks.cli.saying import say

_MOST_NAMED: Final = 5


def say_kept(reached: Reached) -> None:
    """Name the sets that no recorded job would make now: what it reads may not be mounted."""
    out = reached.out
    for output in status.other_sets(out, reached.as_given(status.recorded_jobs(out))):
        folder = paths.outputs(out, output.format, output.split)
        say(
            f"kept: {text.standing(output)}: no recorded command would make it now, for an older"
            f" version made it, or what it was made of is gone; if nobody needs it, remove {folder}"
        )


def stale(folder: Location) -> list[Stale]:
    """Return the temporary files that go; say which stay."""
    temps = cleaning.temps(folder)
    for temp in temps:
        if not temp.owner_gone:
            say(f"kept: {_why_kept(temp)}")
    gone = cleaning.stale(folder, temps)
    for line in (line for each in gone for line in strangers(each.plan)):
        say(line)
    return [each for each in gone if each.plan.items]


def _why_kept(temp: TempFile) -> str:
    """Return why a temporary file stays: its process may live, or somebody holds a lock on it."""
    process = f"process {temp.pid} on {temp.host}"
    if not temp.is_held:
        return f"{temp.path} belongs to {process}"
    who = " and ".join(storage.lock_holders(temp.path).splitlines()) or "somebody"
    return f"{temp.path} is locked by {who}; {process}, which made it, is gone"


def strangers(plan: Plan) -> Iterator[str]:
    """Yield a line for each of the first paths of a plan that stay, and how many more there are."""
    for path in plan.strangers[:_MOST_NAMED]:
        yield f"left alone: {path} is a link, or not of this program"
    if (more := len(plan.strangers) - _MOST_NAMED) > 0:
        yield f"left alone: {more:,} more"
