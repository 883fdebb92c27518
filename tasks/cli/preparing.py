"""What the commands that prepare shards share: how a job is run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pipeline import paths, plaintext, storage
from pipeline.errors import NoPermission, NoSpace, ShardmillError, abbreviate
from pipeline.job import neighbours
from pipeline.job.build import build_job
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.job.table.options import options_of
from pipeline.state import cleaning, preflight, run_pruning, stage_choice, status, withdrawal
from pipeline.state import run_end as runend
from pipeline.state import source_look as sourcelook
from pipeline.state.inventory import Inventory
from pipeline.state.source_look import Look
from pipeline.storage import Location
from tasks.cli import made_events, report, text
from tasks.cli.options import processes, split_run_options
from tasks.cli.saying import say
from tasks.cli.watched import watched
from tasks.phases import PREPARING, Phase
from tasks.run import scheduler, settings
from tasks.run.exchange import Address
from tasks.run.preloading import preload
from tasks.run.standby import Standby, standing_by
from tasks.run.supervisor import Supervisor

OVERLAP = 10
"""The exit status of a command that does nothing, for another is at work."""


def prepare(command: str, given: Mapping[str, Any]) -> int:
    """Do what a command is asked for, or say what would be done; return the exit status."""
    values, run = split_run_options(options_of(command), given)
    job, how = build_job(command, values), How.of(**run)
    return how.tidy_up(job.folder, prepare_job(job, how))


@dataclass(frozen=True)
class How:
    """How a command is run.

    Attributes:
        workers: how many processes work.
        address: of a luigid; None: the command works alone.
        no_overlap: whether nothing is done while another command is at work.
        dry_run: whether nothing is done at all.
        keep_runs: of how many ended commands the logs stay; None: of all.
        began: when, by the monotonic clock.
    """

    workers: int
    address: Address | None
    no_overlap: bool
    dry_run: bool
    keep_runs: int | None = None
    began: float = field(default_factory=time.monotonic)

    @classmethod
    def of(
        cls,
        *,
        workers: int | None,
        scheduler_host: str,
        no_overlap: bool,
        dry_run: bool,
        keep_runs: int | None,
    ) -> Self:
        """Return what the options mean.

        Raises:
            UsageError: the scheduler is no host.
        """
        address = scheduler.address_of(scheduler_host) if scheduler_host else None
        return cls(processes(workers), address, no_overlap, dry_run, keep_runs)

    def tidy_up(self, out: Location, status: int) -> int:
        """Remove the logs that need not stay, if a command is complete; return its exit status."""
        if self.keep_runs is None or self.dry_run:
            return status
        if status in {report.COMPLETE, report.LEFT_OUT}:
            try:
                run_pruning.prune(out, self.keep_runs)
            except ShardmillError as error:  # the work and its status are the same
                say(f"logs of earlier commands were not removed: {error.brief}", err=True)
        return status

    def begin(self) -> None:
        """Say what is not taken of Luigi's settings, and wait for the luigid."""
        if left_out := settings.apply_users_settings():
            tell(
                f"luigi.cfg of the working folder: {abbreviate(map(plaintext.beginning, left_out))}"
                ": not taken from there; the file that LUIGI_CONFIG_PATH names is taken whole"
            )
        if self.address is not None:
            scheduler.wait_for(self.address, tell)

    def supervisor(
        self, job: Job, phase: Phase = PREPARING, standby: Standby | None = None
    ) -> Supervisor:
        """Return what has workers carry out a job, or a part of it; `standby` may be the first."""
        began = self.began
        return Supervisor(job, self.workers, self.address, phase, began=began, standby=standby)


@contextlib.contextmanager
def sharing(out: Location, *, no_overlap: bool) -> Iterator[bool]:
    """Share an output with other commands in this context, or say that one is at work.

    Yields:
        Whether the output may be worked on.
    """
    lock = paths.run_lock(out)
    with contextlib.ExitStack() as stack:
        if not no_overlap:
            stack.enter_context(storage.shared_lock(lock, claim=True))
        elif not stack.enter_context(storage.sole_lock(lock, then_share=True)):
            say(f"another command is at work on {out}", err=True)
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


def _prepare_job(job: Job, how: How, standby: Standby | None, *, is_shared: bool) -> int:
    dry_run = how.dry_run
    # Whatever is said to be complete, each image was looked at; a dry run may say that it was not.
    resolved = resolve(job) if dry_run else resolve.reading(job)
    storage.check_link(resolved.out)  # before anything is looked for in that folder
    inventory = Inventory(resolved)
    seen = sourcelook.look(inventory) if not resolved.glanced_at else Look()
    report.look(seen)
    for line in text.glanced_at(resolved):
        say(line)
    if not seen.parts and inventory.complete:
        return _already_complete(inventory, seen, dry_run=dry_run)
    alone = how.address is None and not job.wants("plan")
    resolved = _with_stage(inventory, alone=alone, dry_run=dry_run)
    if dry_run:
        preflight.check_readonly(resolved)
        if warning := preflight.codec_warning(resolved):
            say(warning, err=True)
        report.plan(resolved, seen)
        return report.COMPLETE
    preflight.check_readonly(resolved)  # before the lock, which makes the folder of the output
    with contextlib.ExitStack() as stack:
        shared = is_shared or stack.enter_context(sharing(resolved.out, no_overlap=how.no_overlap))
        if not shared:
            return OVERLAP
        stack.callback(report.withdrawn, resolved, withdrawal.finished(resolved.out))
        resolved = _withdraw(resolved, seen)
        preflight.check(resolved, how.workers)
        if warning := preflight.codec_warning(resolved):
            say(warning, err=True)
        preflight.remember_sources(resolved)  # the worker knows the source by that
        how.begin()
        return _run(resolved, how.supervisor(resolved.job, standby=standby))


def _with_stage(inventory: Inventory, *, alone: bool, dry_run: bool) -> ResolvedJob:
    """Return the job with what was decided of copies of its archives, and say that."""
    choice = stage_choice.choose(inventory, alone=alone)
    if choice.line:
        say(choice.line)
    if choice.job == inventory.resolved.job:
        return inventory.resolved
    return resolve(choice.job) if dry_run else resolve.reading(choice.job)


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


def _run(resolved: ResolvedJob, supervisor: Supervisor) -> int:
    status.record_job(resolved)
    from tasks.cli.observer import Observer  # noqa: PLC0415 - Rich: not where nothing is to do

    to_read = report.splits_to_read(resolved)
    observer = Observer(resolved, supervisor.name)
    outcome = watched(supervisor, observer, tell, made_events.planned(resolved))
    if outcome.complete:
        code, reason = report.complete(Inventory(resolved), "complete"), ""
        report.uncompared(resolved, to_read)
        report.copies(resolved)
    else:
        code = report.failure(supervisor, outcome)
        first = next(iter(map(str, outcome.failures)), "no headway: see its log")
        reason = "interrupted" if outcome.interrupted else first
    runend.note(resolved.out, supervisor.name, code, reason)
    return code


def tell(text: str) -> None:
    """Say at once what a person should know."""
    say(text, err=True)
