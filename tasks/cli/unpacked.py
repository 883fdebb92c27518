"""What a person sees of packed archives, once nothing needs what was unpacked from them."""

from __future__ import annotations

from pipeline.job.resolve import ResolvedJob
from pipeline.quantities import size
from pipeline.state import plain_tars_in_use, preflight, room_to_unpack
from pipeline.state.inventory import Inventory
from tasks.cli.saying import say


def foreseen(inventory: Inventory) -> None:
    """Say which packed archives would be unpacked beside them, and what that takes at least."""
    needed = preflight.archives_to_read(inventory)
    for path, packed in room_to_unpack.to_unpack(inventory.resolved, needed).items():
        say(f"would be unpacked beside it: {path}, into more than {size(packed)}, until it is done")


def removed(resolved: ResolvedJob) -> None:
    """Remove the plain tars of packed archives, if a job is complete, and say which."""
    if not any(archive.packed for archive in resolved.archives):
        return
    if Inventory(resolved).complete:
        for path in plain_tars_in_use.remove_unneeded(resolved):
            say(f"removed, no command needs it: {path}, unpacked from the archive beside it")
