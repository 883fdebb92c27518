"""What is said of shards that are appended to a finished output."""

from __future__ import annotations

from pipeline.catalog.generations import ShardOrigins
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob
from pipeline.quantities import counted
from pipeline.state import appended
from pipeline.state.appended import AppendedShards, Before
from pipeline.state.source_look import Look
from tasks.cli.saying import say, voice


def beginning(asked: Job, resolved: ResolvedJob, seen: Look) -> Before:
    """Say what is appended to, and where an append is left behind or is a first output.

    Args:
        asked: the job as it was asked for.
        resolved: what it comes to.
        seen: what a look at the images has shown.

    Returns:
        What was there before.
    """
    before = appended.before(resolved, seen.parts)
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
    _say(shards, "would be kept")
    for name in shards.origins.rewritten if shards.origins else ():
        say(f"  written again: {name}")
    if shards.origins and (new := shards.origins.new):
        say(f"  new: {new[0]}" + (f" to {new[-1]}" if len(new) > 1 else ""))


def done(resolved: ResolvedJob, run: str, before: Before) -> None:
    """Say what a command has made of the shards that were there, also to programs."""
    for shards in appended.done(resolved, run, before):
        _say(shards, "kept")
        _tell(shards)


def _say(shards: AppendedShards, kept: str) -> None:
    origins, what = shards.origins, f"{shards.split}: {shards.format}"
    if origins is None:
        new, gone = (counted(number, "image") for number in (shards.new, shards.gone))
        say(f"{what}: {new} new, {gone} gone; facts lie in no shards")
        return
    say(
        f"{what}: {counted(len(origins.kept), 'shard')} {kept},"
        f" {len(origins.rewritten):,} written again, {len(origins.new):,} new"
    )


def _tell(shards: AppendedShards) -> None:
    origins = shards.origins or ShardOrigins((), (), ())
    voice().event(
        "appended",
        split=shards.split,
        format=shards.format,
        shards_kept=len(origins.kept),
        shards_rewritten=len(origins.rewritten),
        shards_new=len(origins.new),
        images_new=shards.new,
        images_changed=shards.changed,
        images_gone=shards.gone,
    )
