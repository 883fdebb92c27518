"""What ``shardmill worker`` does: which jobs it takes tasks of, and what it says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline import plaintext, storage
from pipeline.documents.records import JobRecord
from pipeline.errors import NotCollected, ShardmillError, UsageError, abbreviate
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.quantities import counted
from pipeline.state import assisting, preflight
from pipeline.state import run_end as runend
from pipeline.state.inventory import Inventory
from tasks.cli import assisting_report, made_events, report
from tasks.cli.display import display
from tasks.cli.how import tell
from tasks.cli.options import processes
from tasks.cli.reaching import Reached
from tasks.cli.saying import say, say_refusal, voice
from tasks.cli.watched import FinishedTasks
from tasks.run import scheduler, settings
from tasks.run.assistant.supervisor import AssistantSupervisor
from tasks.run.preloading import preload


@dataclass
class _Found:
    """What is recorded in the outputs.

    Attributes:
        taken: the jobs whose tasks are taken.
        refused: why tasks of a job are not taken.
        complete: how many jobs are complete already.
    """

    taken: list[ResolvedJob] = field(default_factory=list)
    refused: list[ShardmillError] = field(default_factory=list)
    complete: int = 0


def assist(given: Mapping[str, Any]) -> int:
    """Take tasks of other commands; return the exit status."""
    try:
        return _assist(given)
    except KeyboardInterrupt:
        say("asked to end before a task was taken", err=True)
        return report.COMPLETE


def _assist(given: Mapping[str, Any]) -> int:
    remote = dict(given)
    outs, grace_s = remote.pop("for"), remote.pop("grace")
    workers = processes(remote.pop("workers"))
    address = scheduler.address_of(remote.pop("scheduler_host"))
    recorded = [_recorded(out, remote) for out in dict.fromkeys(outs)]
    try:
        scheduler.check_luigid(address)
    except ShardmillError as error:
        raise error.altered(remedy="name the luigid that the commands were given") from error
    found = _Found()
    for records in recorded:
        _look(records, workers, found)
    _check_one_way(found.taken)
    if not found.taken:
        if found.complete:
            say("nothing to do: all that is recorded in these outputs is complete")
        return assisting_report.status(found.refused)
    if left_out := settings.apply_users_settings():
        named = abbreviate(map(plaintext.beginning, left_out))
        tell(f"luigi.cfg of the working folder: {named}: not taken from there")
    jobs = tuple(resolved.job for resolved in found.taken)
    supervisor = AssistantSupervisor(
        jobs[0],
        workers,
        address,
        name=runend.new_name(runend.ASSISTANT),
        time_s=grace_s,
        jobs=jobs,
    )
    return _run(supervisor, found)


def _recorded(out: str, remote: Mapping[str, Any]) -> list[tuple[JobRecord, Job]]:
    """Return the recorded jobs of an output, that of the last command first.

    Raises:
        UsageError: there is none.
    """
    reached = Reached.of(out, remote)
    records = list(assisting.records(reached.out))
    if not records:
        raise UsageError(
            "no job is recorded here",
            file=out,
            expected="the output folder of a command that is at work, as that command names it",
            remedy="start the command with --scheduler-host first, then this worker",
        )
    jobs = [Job.from_json(record.job, reached.out) for record in records]
    if (named := jobs[0].out) != str(reached.out):
        tell(
            f"{reached.out}: the last command named it {named}: tasks are known to a luigid by the"
            " path of OUT, so give this host and the command the same one"
        )
    here = [replace(job, out=str(reached.out)) for job in jobs]
    return list(zip(records, reached.as_given(here), strict=True))


def _look(recorded: Sequence[tuple[JobRecord, Job]], workers: int, found: _Found) -> None:
    """Find out of which jobs of an output tasks are taken, and say of which not.

    Of earlier jobs that cannot be taken, whose inputs may be gone long since, one is named.
    """
    earlier = list[ShardmillError]()
    for place, (record, job) in enumerate(recorded):
        try:
            resolved = _checked(record, job, workers)
        except ShardmillError as error:
            if place:
                earlier.append(error)
                continue
            say(
                f"{job.out}: no task of the last command is taken on {storage.host_name()}:",
                err=True,
            )
            say_refusal(error)
            found.refused.append(error)
        else:
            if resolved is None:
                found.complete += 1
            else:
                found.taken.append(resolved)
    if earlier:
        count = counted(len(earlier), "earlier job")
        say(f"{recorded[0][1].out}: {count} not taken, e.g.: {earlier[0].brief}", err=True)


def _checked(record: JobRecord, job: Job, workers: int) -> ResolvedJob | None:
    """Return what a job means if its tasks can be taken here; None: it is complete.

    Raises:
        ShardmillError: they cannot.
    """
    preload(job)
    try:
        resolved = resolve(job)
    except NotCollected as error:
        remedy = "this worker helps once the command has planned its shards: start it again then"
        raise error.altered(remedy=remedy) from error
    storage.check_link(resolved.out)
    if assisting.is_same(record, resolved) and Inventory(resolved).complete:
        return None
    assisting.check(record, resolved)
    preflight.check(resolved, workers)
    if warning := preflight.codec_warning(resolved):
        say(warning, err=True)
    return resolved


def _check_one_way(jobs: Sequence[ResolvedJob]) -> None:
    """Check that remote places of all jobs are reached in one way, as those of a process are.

    Raises:
        UsageError: they are not.
    """
    ways = {each.job.remote for each in jobs if _is_remote(each.job)}
    if len(ways) > 1:
        raise UsageError(
            "the stores of these outputs are reached in different ways",
            found=abbreviate(str(each.out) for each in jobs),
            remedy="start a worker for each",
        )


def _run(supervisor: AssistantSupervisor, found: _Found) -> int:
    """Have tasks be taken; return the exit status."""
    for resolved in found.taken:
        voice().event(
            "run",
            phase="worker",
            run=supervisor.name,
            job=resolved.digest,
            out=str(resolved.out),
            log=str(supervisor.log),
            outputs=made_events.planned(resolved),
        )
    say(f"log: {supervisor.log}")
    outs = dict.fromkeys(resolved.out for resolved in found.taken)
    finished = [FinishedTasks(out, supervisor.name) for out in outs]

    def tell_finished() -> None:
        for each in finished:
            each.tell()

    with display(assisting_report.Observers(found.taken, supervisor.name), tell_finished) as watch:
        assisted = supervisor.assist(watch, tell)
    tell_finished()
    code = assisting_report.ended(supervisor, found.taken, found.refused, assisted)
    for out in outs:
        runend.note(out, supervisor.name, code, "")
    return code


def _is_remote(job: Job) -> bool:
    return any(not isinstance(place, Path) for place in job.places)
