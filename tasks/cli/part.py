"""``--part``: a command that writes a part of the shards, as one of many that know no other."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pipeline import storage
from pipeline.errors import NotCollected, UsageError
from pipeline.job.artifacts import INPUTS, LINK, SHARDS, TERMS, name_of
from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.quantities import counted
from pipeline.shards import terms
from pipeline.shards.part import Part, parse
from pipeline.shards.work import ShardWork
from pipeline.state import first_pass, preflight, status
from pipeline.state import run_end as runend
from pipeline.state.inventory import Inventory
from tasks.cli import made_events, report, text
from tasks.cli.how import How, asked_for, tell
from tasks.cli.observer import Observer
from tasks.cli.preparing import OVERLAP, sharing
from tasks.cli.saying import say
from tasks.cli.watched import watched
from tasks.phases import PartOf
from tasks.run.preloading import preload
from tasks.run.standby import Standby, standing_by
from tasks.run.supervisor import Supervisor

Prepare = Callable[[str, Mapping[str, Any]], int]
"""Prepares all that a command is asked for; returns the exit status."""


def prepare(command: str, given: Mapping[str, Any], otherwise: Prepare) -> int:
    """Write the part that is asked for, or do otherwise; return the exit status."""
    given = dict(given)
    asked = given.pop("part")
    if not asked:
        return otherwise(command, given)
    if given["cluster"]:
        raise UsageError("--part and --cluster contradict each other: a part is written here")
    part = parse(asked, os.environ)
    job, how = asked_for(command, given)
    _check_options(job, how)
    # What was planned is written, and these orders decide no byte.
    job = replace(job, verify=Job.verify, read_order="shard")
    return how.tidy_up(job.folder, _prepare(job, how, part))


def _check_options(job: Job, how: How) -> None:
    """Check what else is asked for beside a part.

    Raises:
        UsageError: it contradicts that.
    """
    contradictions = {
        "--part writes shards: leave --until out": not job.wants("shards"),
        "--part and --scheduler-host contradict each other: parts need no luigid": (
            how.address is not None
        ),
        "--part reads images as shards need them: leave --read-order archive out": (
            job.read_order == "archive"
        ),
        "--part reads archives where they lie: leave --stage out": bool(job.remote.stage_folder),
    }
    for what, is_so in contradictions.items():
        if is_so:
            raise UsageError(what)


def _prepare(job: Job, how: How, part: Part) -> int:
    preload(job)
    # Many parts start at once: a fork spares each a second import of all that a worker needs.
    with standing_by(is_wanted=not how.dry_run) as standby:
        return _prepare_by(standby, job, how, part)


def _prepare_by(standby: Standby | None, job: Job, how: How, part: Part) -> int:
    with _planning_first():
        if first_pass.unread(job):
            raise NotCollected("archives are to be read that a configuration does not describe")
        resolved = resolve(job)
    storage.check_link(resolved.out)
    for line in text.glanced_at(resolved):
        say(line)
    inventory = Inventory(resolved)
    _check_planned(inventory)
    links = (artifact.name for artifact in resolved.graph.of_kind(LINK))
    if how.dry_run or all(map(inventory.whole, links)):
        _tell(resolved, part)
        return report.COMPLETE
    preflight.check_readonly(resolved)
    with sharing(resolved.out, no_overlap=how.no_overlap) as is_ours:
        if not is_ours:
            return OVERLAP
        preflight.check(resolved, how.workers)
        if warning := preflight.codec_warning(resolved):
            say(warning, err=True)
        how.begin()
        return _run(resolved, how.supervisor(resolved.job, PartOf(part), standby), part)


@contextmanager
def _planning_first() -> Iterator[None]:
    """Have it refused with what to do where nothing is known yet of the images in this context.

    Raises:
        UsageError: nothing is.
    """
    try:
        yield
    except NotCollected as error:
        raise _not_planned(error.what) from error


def _check_planned(inventory: Inventory) -> None:
    """Check that the shards of each split are planned, and that this program would write them.

    Raises:
        UsageError: they are not, or it would write others.
    """
    resolved = inventory.resolved
    for name, split in resolved.splits.items():
        needs = resolved.graph[name_of(SHARDS, name)].needs
        absent = [need for need in needs if need != INPUTS and not inventory.whole(need)]
        kept = terms.kept(resolved.out, split)
        if absent or kept is None:
            raise _not_planned(f"{name}: {', '.join(absent) or TERMS}", str(resolved.out))
        terms.check(kept, split)


def _not_planned(found: str, out: str | None = None) -> UsageError:
    return UsageError(
        "the shards that parts write are not planned yet",
        file=out,
        expected="a plan of each split, and archives as they were when it was made",
        found=f"not there, or not as it was: {found}",
        remedy="run the same command once with --until plan instead of --part",
    )


def _tell(resolved: ResolvedJob, part: Part) -> None:
    """Say how many shards of a part, and of all, are there.

    Of other parts only what is listed counts: a mark is read, a request in a store, for the part's
    own shards alone.
    """
    for name, split in resolved.splits.items():
        work, own = ShardWork(resolved, split), part.own(split.shards)
        lacking = len(work.missing(own))
        others = (n for n in range(split.shards) if n not in own)
        missing = lacking + sum(not work.is_marked(n) for n in others)
        say(
            f"{name}: part {part}: {len(own) - lacking:,} of its {counted(len(own), 'shard')}"
            f" written; missing of all: {missing:,} of {split.shards:,}"
        )


def _run(resolved: ResolvedJob, supervisor: Supervisor, part: Part) -> int:
    """Have workers write the part; return the exit status."""
    status.record_job(resolved)
    observer = Observer(resolved, supervisor.name)
    outcome = watched(supervisor, observer, tell, made_events.planned(resolved))
    if outcome.complete:
        code, reason = report.COMPLETE, ""
        _tell(resolved, part)
        _tell_what_follows(resolved)
    else:
        code = report.failure(supervisor, outcome)
        first = next(iter(map(str, outcome.failures)), "no headway: see its log")
        reason = "interrupted" if outcome.interrupted else first
    runend.note(resolved.out, supervisor.name, code, reason)
    return code


def _tell_what_follows(resolved: ResolvedJob) -> None:
    """Say what is left to the command without a part, which says what there is of the whole."""
    inventory = Inventory(resolved)
    pending = dict.fromkeys(artifact.step for artifact in inventory.pending())
    if pending:
        say(f"left to other parts, or to the same command without --part: {', '.join(pending)}")
    else:
        say("nothing is left: the same command without --part says what the outputs hold")
