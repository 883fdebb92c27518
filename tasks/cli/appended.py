"""What is said of shards that are appended to a finished output."""

from __future__ import annotations

from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob
from pipeline.quantities import counted
from pipeline.state import appended
from pipeline.state.appended import AppendedShards, Before
from tasks.cli.saying import say


def beginning(asked: Job, resolved: ResolvedJob) -> Before:
    """Say what is appended to, and where an append is left behind or is a first output.

    Returns:
        What was there before.
    """
    before = appended.before(resolved)
    for split in resolved.splits.values():
        if appended.is_first(asked, resolved, split):
            say(f"{split.name}: nothing is there to append to: all images are written")
        elif any(was.is_current for (name, _), was in before.items() if name == split.name):
            say(
                f"{split.name}: nothing is new since the last append: what is missing is made again"
            )
        elif split.appended is not None:
            new, gone = (counted(n, "image") for n in (split.appended.new, split.appended.vanished))
            family = split.appended.parent.family
            say(f"{split.name}: appending to the shards of {family}: {new} new, {gone} gone")
            if empty := sum(split.appended.emptied):
                say(
                    f"{split.name}: {counted(empty, 'shard')} left without an image: not made"
                    " again; the names of the others of its generation follow"
                )
    for name, form, count in appended.left_behind(resolved):
        say(
            f"{name}: {form}: the current output has {counted(count, 'generation')} of shards;"
            " without --append all images are divided among shards anew, in another output that"
            " becomes current"
        )
    return before


def foreseen(shards: AppendedShards) -> None:
    """Say what would become of each shard that is not there yet."""
    _say(shards, "would be kept", "written again")
    for name in shards.fate.rewritten:
        say(f"  written again: {name}")
    if new := shards.fate.new:
        say(f"  new: {new[0]}" + (f" to {new[-1]}" if len(new) > 1 else ""))


def done(resolved: ResolvedJob, before: Before) -> None:
    """Say what a command has made of the shards that were there."""
    for shards in appended.done(resolved, before):
        _say(shards, "kept", "written again")


def _say(shards: AppendedShards, kept: str, rewritten: str) -> None:
    fate = shards.fate
    say(
        f"{shards.split}: {shards.format}: {counted(len(fate.kept), 'shard')} {kept},"
        f" {len(fate.rewritten):,} {rewritten}, {len(fate.new):,} new"
    )
