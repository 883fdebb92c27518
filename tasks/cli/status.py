"""``shardmill status``: how far an output folder is."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import click

from pipeline import paths, quantities, storage
from pipeline.errors import (
    ArchiveRefused,
    EnvironmentRefused,
    InputRefused,
    RemoteUnavailable,
    ShardmillError,
    UsageError,
)
from pipeline.job.options import FORMATS, Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.job.table.option import STATUS
from pipeline.job.table.options import options_of
from pipeline.state import preflight, progress, standing
from pipeline.state import run_end as runend
from pipeline.state import status as states
from pipeline.state.at_work import at_work
from pipeline.state.inventory import Inventory
from pipeline.state.standing import StandingOutput
from pipeline.state.status import OutputState
from pipeline.storage import Location
from tasks.cli import planned, text, who_is_at_work
from tasks.cli.options import parameters
from tasks.cli.packedsets import PackedSets, report_states
from tasks.cli.reaching import Reached
from tasks.cli.rerun_command import command_line
from tasks.cli.saying import say, voice
from tasks.cli.speaking import AnsweringCommand

EXAMPLES: Final = (
    "shardmill status OUT",
    "shardmill status .",
    "shardmill status OUT --json",
)


@click.command(cls=AnsweringCommand, params=parameters(options_of(STATUS)), examples=EXAMPLES)
def status(out: str, **given: Any) -> int:
    """Say what is done and missing in OUT, and what the same command would run now.

    It speaks of the job that was started last, of finished outputs of earlier ones, and of sets
    that none of them would make now; or of the outputs of im2rec in OUT. Of images that an earlier
    run has looked at, only their list or folders are looked at. Exit status 0 when all
    that is complete, 4 when images were left out, 1 when something is missing.

    Of commands on other hosts it tells what their leases say: where, and since when.
    """
    reached = Reached.of(out, given)
    folder = reached.out
    jobs = reached.as_given(states.recorded_jobs(folder))
    if not jobs and (packed := PackedSets.of(folder)):
        return report_states(packed)
    if not jobs:
        raise UsageError(
            "no job is recorded here",
            file=out,
            remedy="name a folder that a shardmill command was given as --out",
        )
    is_locked = storage.is_locked(paths.run_lock(folder))
    leases = at_work(folder)
    for line in who_is_at_work.lines(is_locked, leases, paths.run_lock(folder), reached.is_shared):
        say(line)
    last, end = jobs[-1], runend.last(folder)
    command = command_line(last)
    voice().fact(
        out=str(folder),
        at_work=is_locked,
        leases=[each.told for each in leases if each.lease],
        source=last.source,
        command=list(command.words) if command else None,
        last_end=None if end is None or is_locked else dataclasses.asdict(end),
    )
    resolved, refused = _resolved(last)
    known = [str(error).splitlines()[0] for error in refused]
    shared = reached.is_shared
    for line in text.job_lines(last, command, end, bool(is_locked), known=known, shared=shared):
        say(line)
    if last.openimages.is_given:
        from tasks.cli import collecting_status  # noqa: PLC0415 - not for every output

        code = collecting_status.say_collected(last)
        if code is not None:
            _report_others(folder, jobs, ())
            return code
    if isinstance(resolved, ResolvedJob):
        return _report(resolved, jobs, bool(is_locked), refused)
    return _report_standing(folder, jobs, resolved)


def _resolved(job: Job) -> tuple[ResolvedJob | ShardmillError, list[ArchiveRefused]]:
    """Return what a job means, or why that cannot be known any more, and its refused archives.

    A store or a server with its archives may be away, or its keys may have expired.
    """
    try:
        resolved = resolve(job)
        return resolved, states.refused_archives(resolved)
    except (UsageError, InputRefused, EnvironmentRefused, RemoteUnavailable) as error:
        return error, []


def _report(
    resolved: ResolvedJob, jobs: Sequence[Job], at_work: bool, refused: Sequence[ArchiveRefused]
) -> int:
    """Say how far a job is; return the exit status."""
    for line in text.glanced_at(resolved):
        say(line)
    inventory = Inventory(resolved)
    survey = states.survey(inventory)
    for state in survey:
        voice().event("output", **dataclasses.asdict(state))
        for line in text.states(state):
            say(line)
    planned.tell(inventory)
    others = _report_others(resolved.out, jobs, {state.digest for state in survey})
    for error in refused:
        _say_error(error)
    for absent in preflight.gone(inventory):
        say(f"{absent.what}: {absent.file}: {absent.remedy}")
    _say_products(states.survey_products(inventory))
    if at_work:
        _report_work(resolved, survey)
    whole = all(output.document for output in others)
    if not whole or not inventory.complete:
        return 1
    empty = resolved.dataset.empty_splits
    return 4 if empty or any(state.left_out for state in survey) else 0


def _report_standing(out: Location, jobs: Sequence[Job], error: ShardmillError) -> int:
    """Say what is there of a job whose configuration, list, tree or archives cannot be seen."""
    is_away = isinstance(error, RemoteUnavailable)
    what = "cannot be looked at now" if is_away else "is not as it was"
    say(f"what the job reads {what}; what is there is told without it:")
    say(error)
    state = standing.standing_of(out, states.last_record(out))
    known = standing.current_outputs(out, FORMATS) if state is None else state.outputs
    for output in known:
        _tell_standing(output)
        say(text.standing(output))
    others = _report_others(out, jobs, {output.digest for output in known})
    for line in text.product_states(state.products if state else {}):
        say(line)
    if state is None or not state.complete or not all(output.document for output in others):
        return 1
    left_out = any(output.left_out for output in state.outputs)
    return 4 if left_out else 0


def _report_others(
    out: Location, jobs: Sequence[Job], known: Collection[str]
) -> list[StandingOutput]:
    """Say what is there of the outputs that count and have no known digest, and return them."""
    others = standing.others(out, known)
    if not others:
        return others
    earlier = _earlier(jobs)
    unasked = {output.digest for output in states.other_sets(out, jobs)}
    for output in others:
        _tell_standing(output, earlier=True)
        if output.digest in unasked:
            what = text.standing(output)
            say(f"another set, which no recorded command would make now: {what}")
            continue
        state = earlier.get(output.digest)
        for line in [text.standing(output)] if state is None else text.states(state):
            say(f"asked for earlier: {line}")
    return others


def _say_products(survey: Mapping[str, bool]) -> None:
    for name, complete in survey.items():
        voice().event("product", name=name, complete=complete)
    for line in text.product_states(survey):
        say(line)


def _say_error(error: ShardmillError) -> None:
    """Say an error that is found and does not end the command."""
    if voice().is_for_programs:
        voice().refuse(error)
    else:
        say(error)


def _tell_standing(output: StandingOutput, *, earlier: bool = False) -> None:
    """Tell a program of an output that is known by its own manifest alone."""
    counts = output.document.counts if output.document else None
    voice().event(
        "earlier_output" if earlier else "output",
        split=output.split,
        format=output.format,
        digest=output.digest,
        complete=counts is not None,
        images=counts.images if counts else None,
        left_out=counts.left_out if counts else None,
        bytes_done=counts.bytes if counts else None,
    )


def _earlier(jobs: Sequence[Job]) -> dict[str, OutputState]:
    """Return the state of each output that recorded jobs would make now, by its digest."""
    states_of: dict[str, OutputState] = {}
    for job in jobs:
        with contextlib.suppress(ShardmillError):  # what it read is not there any more
            states_of |= {state.digest: state for state in states.survey(Inventory(resolve(job)))}
    return states_of


def _report_work(resolved: ResolvedJob, survey: list[OutputState]) -> None:
    run = progress.latest_run(resolved.out)
    if run is None:
        return
    for count in progress.counts(resolved.out, run):
        if count.unit == "bytes":
            done, total = quantities.size(count.done), quantities.size(count.total)
            say(f"  {count.step} {count.name}: {done} of {total}")
    shards = [t for t in progress.timings(resolved.out, run) if t.step == "shards"]
    for step in progress.by_step(shards):
        rate = step.images / step.seconds
        left = states.images_left(survey)
        if rate:
            say(f"  {rate:,.0f} images/s, {text.duration(left / rate)} left")
