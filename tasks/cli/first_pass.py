"""How commands read first what nothing can be planned without: archives, and many shards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline import storage
from pipeline.job import resolve as resolving
from pipeline.job.options import Job
from pipeline.quantities import counted, size, verb
from pipeline.sources.inputs import NO_MD5, Archive
from pipeline.state import first_listing, first_pass, status
from pipeline.state import run_end as runend
from tasks.cli import report
from tasks.cli.how import How, asked_for, tell
from tasks.cli.observer import BytesObserver
from tasks.cli.preparing import OVERLAP, prepare_job, sharing
from tasks.cli.saying import say
from tasks.cli.watched import watched
from tasks.phases import RECORDING


def prepare(command: str, given: Mapping[str, Any]) -> int:
    """Do what a command is asked for, the first pass before anything else; return the status."""
    job, how = asked_for(command, given)
    return how.tidy_up(job.folder, _prepare(job, how))


def prepare_listed(command: str, given: Mapping[str, Any]) -> int:
    """Do what a command of lists, folders and shards is asked for, likewise."""
    job, how = asked_for(command, given)
    return how.tidy_up(job.folder, _prepare_listed(job, how))


def _prepare(job: Job, how: How) -> int:
    archives = first_pass.unread(job)
    for archive in first_pass.changed(job):
        say(f"{archive.file}: looks otherwise than when it was read: --update reads it again")
    left = [f"{archive.file}, to record {_left_out(archive)}" for archive in archives]
    return _prepare_after(job, how, left)


def _prepare_listed(job: Job, how: How) -> int:
    found = first_listing.listing(job)
    left = [file for file in found.files if not found.is_done(file)] if found else []
    if found is None or not left:
        return prepare_job(job, how)
    length = size(sum(map(found.size, left)))
    done = len(found.files) - len(left)
    already = f"; {counted(done, 'other')} {verb(done, 'is', 'are')} read already" if done else ""
    shards = f"{counted(len(left), 'shard')} of {length}, for the images in them{already}"
    return _prepare_after(job, how, [shards])


def _prepare_after(job: Job, how: How, left: list[str]) -> int:
    """Do what a command is asked for, after what is to be read first, said in words."""
    if not left:
        return prepare_job(job, how)
    resolving.check(job)
    storage.check_link(job.folder)
    if how.dry_run:
        for each in left:
            say(f"would read first: {each}")
        say("nothing else is planned before that")
        return report.COMPLETE
    with sharing(job.folder, no_overlap=how.no_overlap) as is_ours:
        if not is_ours:
            return OVERLAP
        code = _read(job, how)
        return prepare_job(job, how, is_shared=True) if code == report.COMPLETE else code


def _left_out(archive: Archive) -> str:
    return "its MD5" if archive.md5 == NO_MD5 else "how many images it has"


def _read(job: Job, how: How) -> int:
    """Read the archives; return the exit status."""
    supervisor = how.supervisor(job, RECORDING)
    status.record_asked(job)
    how.begin()
    outcome = watched(supervisor, BytesObserver(job.folder, supervisor.name), tell)
    if outcome.complete:
        return report.COMPLETE  # it is no end yet
    code = report.failure(supervisor, outcome)
    first = next(iter(map(str, outcome.failures)), "no headway: see its log")
    runend.note(job.folder, supervisor.name, code, "interrupted" if outcome.interrupted else first)
    return code
