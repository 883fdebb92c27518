"""What is said of shards that are linked to those of an earlier output, and not written."""

from __future__ import annotations

from pipeline.job.resolve import ResolvedJob
from pipeline.quantities import counted
from pipeline.state import appended as appended_shards
from pipeline.state import foreseen_links, progress
from pipeline.state.appended import Before
from pipeline.state.inventory import Inventory
from tasks.cli import appended
from tasks.cli.saying import say


def foreseen(inventory: Inventory) -> None:
    """Say how many shards would be linked, where an earlier output of the same form is there."""
    for links in foreseen_links.foresee(inventory):
        if (shards := appended_shards.foreseen(inventory.resolved, links)) is not None:
            appended.foreseen(shards)
            continue
        what = f"{links.split}: {links.format}: of {counted(links.missing, 'shard')}"
        if links.linked is None:
            say(
                f"{what}, those with the records of an earlier output would be linked; how many"
                " that is shows when the archives are verified"
            )
            continue
        written = links.missing - links.linked
        say(f"{what}, {links.linked:,} would be linked to an earlier output, {written:,} written")


def done(resolved: ResolvedJob, run: str, before: Before) -> None:
    """Say how many shards a command has linked, or what became of those that it appended to."""
    appended.done(resolved, run, before)
    for (name, form), count in progress.linked(progress.timings(resolved.out, run)).items():
        if resolved.splits[name].appended is not None:
            continue
        of = counted(resolved.splits[name].shards, "shard")
        say(f"{name}: {form}: {count:,} of {of} linked to an earlier output with the same records")
