"""Numbers and states as text."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.quantities import counted, size
from pipeline.state.run_end import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.job.options import Job
    from pipeline.job.resolve import ResolvedJob
    from pipeline.state.run_end import RunEnd
    from pipeline.state.standing import StandingOutput
    from pipeline.state.status import OutputState
    from tasks.cli.rerun_command import CommandLine


def duration(seconds: float) -> str:
    """Return a duration: 4:05 or 1:02:03."""
    whole = int(seconds + 0.5)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def product_states(survey: Mapping[str, bool]) -> list[str]:
    """Return whether each product without a digest in its path is there."""
    return [f"{name}: {'complete' if done else 'pending'}" for name, done in survey.items()]


def states(state: OutputState) -> list[str]:
    """Return what is done, what is missing and what would run, for one output."""
    head = f"{state.split} ({state.format} {state.digest})"
    if state.complete:
        done = f"complete, {counted(state.images - state.left_out, 'record')}"
        done += f", {state.left_out:,} left out" if state.left_out else ""
    else:
        done = (
            f"{state.shards_done:,} of {state.shards:,} shards, "
            f"{state.images_done:,} of {state.images:,} images"
        )
    lines = [f"{head}: {done}, {size(state.bytes_done)}"]
    if state.would_run:
        lines.append(f"  would run: {', '.join(state.would_run)}")
    return lines


def glanced_at(resolved: ResolvedJob) -> list[str]:
    """Return what of a job's source alone was looked at, if not each image."""
    return [
        f"the images were not looked at, only size and time (in a store: size and ETag) of {what}:"
        " a run of the command looks at each"
        for what in sorted(resolved.glanced_at)
    ]


def standing(output: StandingOutput) -> str:
    """Return what there is of an output, by its own manifest."""
    head = f"{output.split} ({output.format} {output.digest})"
    if output.document is None:
        return f"{head}: incomplete"
    counts = output.document.counts
    left_out = f", {counts.left_out:,} left out" if counts.left_out else ""
    records = counted(counts.records, "record")
    return f"{head}: complete, {records}{left_out}, {size(counts.bytes)}"


def job_lines(
    job: Job,
    command: CommandLine | None,
    end: RunEnd | None,
    at_work: bool,
    *,
    known: Iterable[str] = (),
    shared: bool = False,
) -> list[str]:
    """Return what a job reads, the command that does it, and how the last one ended.

    Args:
        job: the job that was started last.
        command: what does it.
        end: of the last command.
        at_work: whether a command is at work now.
        known: the first lines of errors that are told as a whole elsewhere.
        shared: whether it is the last one of this host alone.
    """
    lines = [f"source: {job.source}"]
    lines += [f"command: {command.offer}"] if command else []
    if end is not None and not at_work:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(end.time))
        first, *rest = _ending(end)
        brief = any(line in each for line in known for each in (first, *rest))
        where = " on this host" if shared else ""
        lines += [f"last end{where}: {when}, {first}", *(() if brief else rest)]
    return lines


def _ending(end: RunEnd) -> list[str]:
    """Return in lines how a command ended; all but the first are indented, whoever wrote them."""
    if end.status == UNKNOWN:
        return [
            "not noted: the command that began then was killed, its machine went down, or it was"
            " one of an older shardmill, which noted no end"
        ]
    first, *rest = (end.reason or "complete").split("\n")
    return [f"status {end.status}: {first}", *(f"  {each.removeprefix('  ')}" for each in rest)]
