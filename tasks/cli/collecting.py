"""How ``shardmill openimages`` collects what it prepares then: two phases, one lock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import storage
from pipeline.errors import NoPermission, NoSpace, ShardmillError
from pipeline.job import resolve as resolving
from pipeline.job.options import Job
from pipeline.job.table.option import OPEN
from pipeline.sources.openimages.collection import Collection, collection_of
from pipeline.state import run_end as runend
from pipeline.state import status
from tasks.cli import collecting_report as collected
from tasks.cli import report
from tasks.cli.collecting_display import CollectingObserver
from tasks.cli.how import How, asked_for, tell
from tasks.cli.preparing import OVERLAP, prepare_job, sharing
from tasks.cli.saying import say
from tasks.cli.watched import watched
from tasks.openimages import readiness
from tasks.openimages.base import begin
from tasks.phases import COLLECTING
from tasks.run.supervisor import Supervisor


def prepare(given: Mapping[str, Any]) -> int:
    """Do what the command is asked for, or say what would be done; return the exit status."""
    job, how = asked_for(OPEN, given)
    return how.tidy_up(job.folder, _prepare(job, how))


def _prepare(job: Job, how: How) -> int:
    resolving.check(job)
    storage.check_link(job.folder)
    what = collection_of(job)
    begin()
    if how.dry_run:
        return _plan(what, how)
    if COLLECTING.is_complete(job):
        with _noting_refusals(job, how.supervisor(job, COLLECTING).name):
            code = _already_collected(what)
            return prepare_job(job, how) if what.options.reaches("plan") else code
    with sharing(job.folder, no_overlap=how.no_overlap) as is_ours:
        if not is_ours:
            return OVERLAP
        supervisor = how.supervisor(job, COLLECTING)
        with _noting_refusals(job, supervisor.name):
            code = _collect(what, how, supervisor)
            if code in {report.COMPLETE, report.LEFT_OUT} and what.options.reaches("plan"):
                return prepare_job(job, how, is_shared=True)
            return code


@contextlib.contextmanager
def _noting_refusals(job: Job, run: str) -> Iterator[None]:
    """Note how the command ended if it is refused in this context, whichever phase is."""
    try:
        yield
    except ShardmillError as error:
        runend.note(job.folder, run, error.exit_status, str(error))
        raise


def _plan(what: Collection, how: How) -> int:
    """Say what would be done."""
    still = collected.plan(what)
    if not COLLECTING.is_complete(what.job):
        collected.plan_bytes(what, still)
        return report.COMPLETE
    say("to fetch: nothing, all is collected")
    return prepare_job(what.job, how) if what.options.reaches("plan") else report.COMPLETE


def _already_collected(what: Collection) -> int:
    """Say that all is collected; return the exit status.

    No lock is taken for that: the output may be one that nobody here may write.
    """
    COLLECTING.sweep(what.job)
    with contextlib.suppress(NoPermission, NoSpace):
        collected.list_failures(what)  # another selection may have written its own
    code = collected.complete(what, "already complete")
    _record_complete(what, code)
    return code


def _collect(what: Collection, how: How, supervisor: Supervisor) -> int:
    """Collect what is not there yet; return the exit status."""
    job = what.job
    readiness.check(what)
    if what.options.offline and (note := readiness.archives_note(what)):
        say(f"needed in {what.raw}, too, where masks are not there yet: {note}", err=True)
    status.record_asked(job)
    how.begin()
    outcome = watched(supervisor, CollectingObserver(what, supervisor.name), tell)
    if outcome.complete:
        code, reason = collected.complete(what, "complete"), ""
        if what.options.reaches("plan"):
            return code  # it is no end yet
    else:
        collected.list_failures(what)
        code = report.failure(supervisor, outcome)
        first = next(iter(map(str, outcome.failures)), "no headway: see its log")
        reason = "interrupted" if outcome.interrupted else first
    runend.note(job.folder, supervisor.name, code, reason)
    return code


def _record_complete(what: Collection, code: int) -> None:
    """Record a command that was complete before, and is of no shards, as the one asked for last."""
    if what.options.reaches("plan"):
        return  # how it ends is not known yet
    with contextlib.suppress(NoPermission, NoSpace):
        status.record_asked(what.job)
        runend.note_complete(what.job.folder, code)
