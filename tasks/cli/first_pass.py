"""How ``shardmill imagenet`` reads archives first of which a configuration leaves something out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline import storage
from pipeline.job import resolve as resolving
from pipeline.job.options import Job
from pipeline.sources.inputs import NO_MD5, Archive
from pipeline.state import first_pass, status
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


def _prepare(job: Job, how: How) -> int:
    archives = first_pass.unread(job)
    for archive in first_pass.changed(job):
        say(f"{archive.file}: looks otherwise than when it was read: --update reads it again")
    if not archives:
        return prepare_job(job, how)
    resolving.check(job)
    storage.check_link(job.folder)
    if how.dry_run:
        for archive in archives:
            say(f"would read first: {archive.file}, to record {_left_out(archive)}")
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
