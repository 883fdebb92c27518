"""What a person sees of packed archives, once nothing needs what was unpacked from them."""

from __future__ import annotations

from itertools import islice
from typing import Final

from pipeline.job.resolve import ResolvedJob
from pipeline.quantities import size
from pipeline.state import plain_tars_in_use, preflight, room_to_unpack
from pipeline.state.inventory import Inventory
from tasks.cli.saying import say

_MOST_NAMED: Final = 3


def foreseen(inventory: Inventory) -> None:
    """Say which packed archives would be unpacked beside them, and what that takes at least."""
    needed = preflight.archives_to_read(inventory)
    waiting = room_to_unpack.to_unpack(inventory.resolved, needed)
    for path, packed in islice(waiting.items(), _MOST_NAMED):
        say(f"would be unpacked beside it: {path}, into more than {size(packed)}, until it is done")
    if more := [*waiting.values()][_MOST_NAMED:]:
        say(f"would be unpacked likewise: {len(more):,} more, into more than {size(sum(more))}")


def removed(resolved: ResolvedJob) -> None:
    """Remove the plain tars of packed archives, if a job is complete, and say which."""
    if not any(archive.packed for archive in resolved.archives):
        return
    if Inventory(resolved).complete:
        gone = plain_tars_in_use.remove_unneeded(resolved)
        for path in gone[:_MOST_NAMED]:
            say(f"removed, no command needs it: {path}, unpacked from the archive beside it")
        if (more := len(gone) - _MOST_NAMED) > 0:
            say(f"removed likewise: {more:,} more")
