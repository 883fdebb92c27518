"""What ``shardmill status`` says of the commands that are at work on an output folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline import storage
from pipeline.state.at_work import AtWork


def lines(found: bool | None, leases: Sequence[AtWork], lock: Path, shared: bool) -> Iterator[str]:
    """Yield whether a command is at work, and which, as far as it can be known.

    Args:
        found: whether one is; None: the lock may not be asked for.
        leases: what commands that may be at work say of themselves, on whichever host.
        lock: that it holds.
        shared: whether it is one of this host, and others may be at work elsewhere.
    """
    elsewhere = [each for each in leases if each.runs is None]
    where = " on this host" if shared or elsewhere else ""
    if found is None:
        yield f"whether a command is at work is known only to the owner of {lock} and its group"
    else:
        yield f"{'a' if found else 'no'} command is at work{where}"
    for holder in storage.lock_holders(lock).splitlines() if found else ():
        own = (each for each in leases if each.runs and holder.startswith(each.process))
        yield f"  {holder}" + next((f", since {each.since}" for each in own), "")
    for each in elsewhere:
        yield f"by its lease, a command is at work elsewhere: {each}"
