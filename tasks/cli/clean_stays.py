"""What ``shardmill clean`` leaves alone and names: temporary files, strangers, sets of others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from pipeline import paths, storage
from pipeline.errors import ObjectRefused
from pipeline.state import at_work, cleaning, shard_claims, status
from pipeline.state.cleaning import Stale
from pipeline.storage import Location, Plan, TempFile, Unfinished
from tasks.cli import text
from tasks.cli.reaching import Reached
from tasks.cli.saying import say

_MOST_NAMED: Final = 5
_NOT_SEEN: Final = (
    "and whether that still runs is not seen from here: if it does not, say --other-hosts"
)


def say_kept(reached: Reached) -> None:
    """Name the sets that no recorded job would make now: what it reads may not be mounted."""
    out = reached.out
    for output in status.other_sets(out, reached.as_given(status.recorded_jobs(out))):
        folder = paths.outputs(out, output.format, output.split)
        say(
            f"kept: {text.standing(output)}: no recorded command would make it now, for an older"
            f" version made it, or what it was made of is gone; if nobody needs it, remove {folder}"
        )


def stale(folder: Location, *, of_other_hosts: bool) -> list[Stale]:
    """Return the temporary files that go; say which stay."""
    temps = cleaning.temps(folder)
    for temp in temps:
        if not (temp.owner_gone or (of_other_hosts and temp.is_elsewhere)):
            say(f"kept: {_why_kept(temp)}")
    gone = cleaning.stale(folder, temps, of_other_hosts=of_other_hosts)
    for line in (line for each in gone for line in strangers(each.plan)):
        say(line)
    return [each for each in gone if each.plan.items]


def uploads(folder: Location, after_s: int) -> list[Unfinished] | None:
    """Return the unfinished uploads that go, and say them, and which stay."""
    try:
        unfinished = cleaning.unfinished_uploads(folder)
    except ObjectRefused as error:
        say("unfinished uploads are not known:", err=True)
        say(error, err=True)
        return None
    old = [each for each in unfinished if each.age_s >= after_s]
    for each in unfinished:
        what = f"unfinished upload: {each.place}, begun {text.duration(each.age_s)} ago"
        say(what if each in old else f"kept: {what}")
    return old


def _why_kept(temp: TempFile) -> str:
    """Return why a temporary file stays: its process may live, or somebody holds a lock on it."""
    process = f"process {temp.pid} on {temp.host}"
    if temp.is_elsewhere:
        return f"{temp.path} belongs to {process}{age(temp)}, {_NOT_SEEN}"
    if not temp.is_held:
        return f"{temp.path} belongs to {process}"
    who = " and ".join(storage.lock_holders(temp.path).splitlines()) or "somebody"
    return f"{temp.path} is locked by {who}; {process}, which made it, is gone"


def age(temp: TempFile) -> str:
    """Return how long ago a temporary file was written to, by the clocks of both sides."""
    written = storage.modified_ns(temp.path)
    if written is None:
        return ""
    return f", written {text.duration(max(0.0, time.time() - written / 1e9))} ago"


def said_by_the_gone(folder: Location, *, of_other_hosts: bool) -> list[Plan]:
    """Return what goes of leases and claims, and say it; say which leases stay."""
    plans = {
        "lease that no command holds": leases(folder, of_other_hosts=of_other_hosts),
        "claim of a process that is gone": shard_claims.leftovers(
            folder, of_other_hosts=of_other_hosts
        ),
    }
    for kind, plan in plans.items():
        for item in plan.items:
            if not item.is_folder:
                say(f"{kind}: {item.path}")
    return list(plans.values())


def leases(folder: Location, *, of_other_hosts: bool) -> Plan:
    """Return what goes of the leases of commands; say which stay."""
    plan = at_work.leftovers(folder, of_other_hosts=of_other_hosts)
    going = {item.path for item in plan.items}
    for each in at_work.at_work(folder):
        if each.place not in going:
            why = "" if each.runs else f": {_NOT_SEEN}"
            say(f"kept: {each.place}, the lease of {each}{why}")
    return plan


def strangers(plan: Plan) -> Iterator[str]:
    """Yield a line for each of the first paths of a plan that stay, and how many more there are."""
    for path in plan.strangers[:_MOST_NAMED]:
        yield f"left alone: {path} is a link, or not of this program"
    if (more := len(plan.strangers) - _MOST_NAMED) > 0:
        yield f"left alone: {more:,} more"
