"""What the commands that prepare shards share: how a job is run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import paths, storage
from pipeline.errors import ArchiveRefused, NoPermission, NoSpace
from pipeline.job import neighbours
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.state import (
    assisting,
    cleaning,
    lease,
    plain_tars_in_use,
    preflight,
    read_order_choice,
    stage_choice,
    status,
    unverified,
    verify_choice,
    withdrawal,
)
from pipeline.state import run_end as runend
from pipeline.state import source_look as sourcelook
from pipeline.state.appended import Before
from pipeline.state.inventory import Inventory
from pipeline.state.source_look import Look
from pipeline.storage import Location
from tasks.cli import appended, linked, made_events, report, text, unpacked
from tasks.cli.how import How, asked_for, tell
from tasks.cli.observer import Observer
from tasks.cli.saying import say
from tasks.cli.watched import watched
from tasks.run.preloading import preload
from tasks.run.standby import Standby, standing_by
from tasks.run.supervisor import Supervisor

OVERLAP = 10
"""The exit status of a command that does nothing, for another is at work."""


def prepare(command: str, given: Mapping[str, Any]) -> int:
    """Do what a command is asked for, or say what would be done; return the exit status."""
    job, how = asked_for(command, given)
    return how.tidy_up(job.folder, prepare_job(job, how))


@contextlib.contextmanager
def sharing(out: Location, *, no_overlap: bool) -> Iterator[bool]:
    """Share an output with other commands in this context, or say that one is at work.

    Commands of other hosts see by a lease that this one is at work, see `pipeline.state.lease`.

    Yields:
        Whether the output may be worked on.
    """
    lock = paths.run_lock(out)
    with contextlib.ExitStack() as stack:
        if not no_overlap:
            stack.enter_context(storage.shared_lock(lock, claim=True))
            stack.enter_context(lease.stated(out))
        elif not stack.enter_context(storage.sole_lock(lock, then_share=True)):
            say(f"another command is at work on {out}", err=True)
            yield False
            return
        elif (other := stack.enter_context(lease.alone(out))) is not None:
            say(f"another command is at work on {out}: {other}", err=True)
            yield False
            return
        yield True


def prepare_job(job: Job, how: How, *, is_shared: bool = False) -> int:
    """Prepare a job, or say what would be done; return the exit status.

    Args:
        job: what is asked for.
        how: how the command is run.
        is_shared: whether the output is shared with other commands already.
    """
    preload(job)
    # Where the output is shared there is a lock already, which a fork would hold, too.
    with standing_by(is_wanted=not (how.dry_run or is_shared)) as standby:
        return _prepare_job(job, how, standby, is_shared=is_shared)


def _prepare_job(asked: Job, how: How, standby: Standby | None, *, is_shared: bool) -> int:
    dry_run = how.dry_run
    # Whatever is said to be complete, each image was looked at; a dry run may say that it was not.
    resolved = resolve(asked) if dry_run else resolve.reading(asked)
    storage.check_link(resolved.out)  # before anything is looked for in that folder
    inventory = Inventory(resolved)
    seen = sourcelook.look(inventory) if not resolved.glanced_at else Look()
    report.look(seen)
    for line in text.glanced_at(resolved):
        say(line)
    job = resolved.job
    if not seen.parts and inventory.complete:
        return _already_complete(inventory, seen, dry_run=dry_run)
    before = appended.beginning(asked, resolved, seen)
    alone = how.address is None and how.engine is None and not job.wants("plan")
    resolved = _with_stage(inventory, alone=alone, dry_run=dry_run)
    resolved = _with_verification(resolved, how, alone=alone)
    resolved = _with_read_order(resolved, alone=alone, dry_run=dry_run)
    if dry_run:
        preflight.check_readonly(resolved)
        if warning := preflight.codec_warning(resolved):
            say(warning, err=True)
        report.plan(resolved, seen)
        return report.COMPLETE
    with _discarding_refused(resolved):
        preflight.check_readonly(resolved)  # before the lock, which makes the folder of the output
    with contextlib.ExitStack() as stack:
        shared = is_shared or stack.enter_context(sharing(resolved.out, no_overlap=how.no_overlap))
        if not shared:
            return OVERLAP
        stack.callback(unpacked.removed, resolved)
        stack.callback(report.withdrawn, resolved, withdrawal.finished(resolved.out))
        stack.enter_context(plain_tars_in_use.in_use(resolved))
        resolved = _withdraw(resolved, seen)
        preflight.check(resolved, how.workers)
        if warning := preflight.codec_warning(resolved):
            say(warning, err=True)
        preflight.remember_sources(resolved)  # the worker knows the source by that
        how.begin()
        return _run(resolved, how.supervisor(resolved.job, standby=standby), before)


def _with_stage(inventory: Inventory, *, alone: bool, dry_run: bool) -> ResolvedJob:
    """Return the job with what was decided of copies of its archives, and say that."""
    choice = stage_choice.choose(inventory, alone=alone)
    if choice.line:
        say(choice.line)
    if choice.job == inventory.resolved.job:
        return inventory.resolved
    return resolve(choice.job) if dry_run else resolve.reading(choice.job)


def _with_verification(resolved: ResolvedJob, how: How, *, alone: bool) -> ResolvedJob:
    """Return the job with what was decided of when its archives are verified."""
    choice = verify_choice.choose(Inventory(resolved), workers=how.workers, alone=alone)
    if choice.reason:
        say(f"--verify beside: archives are verified before the shards: {choice.reason}", err=True)
    if choice.job.verify == resolved.job.verify:
        return resolved
    return resolve(choice.job) if how.dry_run else resolve.reading(choice.job)


def _with_read_order(resolved: ResolvedJob, *, alone: bool, dry_run: bool) -> ResolvedJob:
    """Return the job with what was decided of the order that archives are read in; say that."""
    choice = read_order_choice.choose(Inventory(resolved), alone=alone)
    if choice.line:
        say(choice.line)
    if choice.job == resolved.job:
        return resolved
    return resolve(choice.job) if dry_run else resolve.reading(choice.job)


@contextlib.contextmanager
def _discarding_refused(resolved: ResolvedJob) -> Iterator[None]:
    """Remove what an earlier command has made of an archive that is refused in this context."""
    try:
        yield
    except ArchiveRefused as error:
        unverified.discard_refused(resolved, [error])
        raise


def _already_complete(inventory: Inventory, found: Look, *, dry_run: bool) -> int:
    """Say that there is nothing to do, and keep what was seen; return the exit status."""
    resolved = inventory.resolved
    cleaning.sweep(resolved)
    # It spares the next look some reading, no more.
    with contextlib.suppress(NoPermission, NoSpace):
        sourcelook.settle(resolved.out, found)
        preflight.keep_contents(resolved)
        if not dry_run:
            preflight.remember_sources(resolved)
            _record_finished(resolved)
            unpacked.removed(resolved)
    code = report.complete(inventory, "already complete")
    if not dry_run and status.is_last(resolved.job):
        runend.note_complete(resolved.out, code)
    return code


def _record_finished(resolved: ResolvedJob) -> None:
    """Record a job of which nothing is to be done, if no record speaks of it as the last one."""
    known = neighbours.knows(resolved)
    if not known:
        neighbours.take_over(resolved)  # its list or folder was somewhere else
    if not known or not status.is_last(resolved.job):
        status.record_job(resolved)


def _withdraw(resolved: ResolvedJob, found: Look) -> ResolvedJob:
    """Withdraw what was made of images that were replaced; return the job as it is then."""
    withdrawal.resume(resolved.out)
    sourcelook.settle(resolved.out, found)
    if not found.parts:
        return resolved
    return resolve.again(resolved.job)


def _run(resolved: ResolvedJob, supervisor: Supervisor, before: Before) -> int:
    status.record_job(resolved)
    if supervisor.scheduler is not None:
        assisting.keep_terms(resolved)
    to_read = report.splits_to_read(resolved)
    observer = Observer(resolved, supervisor.name)
    outcome = watched(supervisor, observer, tell, made_events.planned(resolved))
    unverified.discard_refused(resolved, outcome.failures, again=resolved.verifies_beside)
    if outcome.complete:
        code, reason = report.complete(Inventory(resolved), "complete"), ""
        report.uncompared(resolved, to_read)
        report.copies(resolved)
        linked.done(resolved, supervisor.name, before)
    else:
        code = report.failure(supervisor, outcome)
        first = next(iter(map(str, outcome.failures)), "no headway: see its log")
        reason = "interrupted" if outcome.interrupted else first
    runend.note(resolved.out, supervisor.name, code, reason)
    return code
