"""The process that runs Luigi for a command.

The first one is a fork of its command, see `tasks.run.standby`; `tasks.run.launch` starts those
that follow. It is a process of its own, so that the one that forks tasks has no display, no threads
and no open pools, and so that a command outlives a worker that was killed.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from collections.abc import Callable

import luigi
import luigi.configuration

from pipeline.errors import ConfigError, InputRefused, ShardmillError
from pipeline.job.options import Job
from tasks.phases import PREPARING, Phase, named
from tasks.run import plainlogs, streams
from tasks.run.local_scheduler import Factory
from tasks.run.preloading import preload
from tasks.run.processes import die_with_command, notice, notice_waits, report
from tasks.run.settings import apply_shipped_settings, send_no_mails

_IDLE = "max_keep_alive_idle_duration"
_ENDING_S = 5.0


def main() -> int:
    """Run a job's DAG; the caller judges success by what is then there."""
    digest, text, workers, phase, *scheduler = sys.argv[1:]
    job = Job.from_json(text)
    return carried_out(lambda: _run(job, digest, int(workers), scheduler, named(phase)))


def carried_out(run: Callable[[], int]) -> int:
    """Be the process that runs Luigi for a command; return the exit status.

    Args:
        run: does what it is for; what it raises is reported to the command.
    """
    die_with_command()
    streams.install()
    plainlogs.install()
    notice_waits()
    try:
        return run()
    except ShardmillError as error:
        sys.stderr.write(f"{error}\n")
        report(json.dumps(error.to_record()).encode())
        return error.exit_status


def _run(
    job: Job, digest: str, workers: int, scheduler: list[str], phase: Phase = PREPARING
) -> int:
    preload(job)
    if phase.digest(job) != digest:
        raise changed(job)
    multiprocessing.set_start_method("fork")
    apply_shipped_settings()
    send_no_mails()
    _leave_when_idle()
    luigid = None
    if scheduler:
        from tasks.run.luigid import LuigidClient  # noqa: PLC0415 - most commands work alone

        host, port = scheduler
        luigid = LuigidClient((host, int(port)), lambda: phase.root(job), notice)
        luigid.re_enable(job.out)
    result = luigi.build(
        [phase.root(job)],
        Factory(luigid),
        detailed_summary=True,
        workers=workers,
        local_scheduler=luigid is None,
    )
    reap_tasks()
    sys.stderr.write(f"{result.summary_text}\n")
    if luigid is not None and luigid.given_up is not None:
        raise luigid.given_up
    return 0


def reap_tasks() -> None:
    """Wait for the processes of the last tasks, whose results are there.

    The command waits until this process and all that it started are gone. What is nobody's child
    any more is gone when the first process of the machine looks, which may take it a second.
    """
    for process in multiprocessing.active_children():
        process.join(_ENDING_S)


def changed(job: Job) -> ShardmillError:
    """Return the refusal of a job whose inputs are others than the command found."""
    read = job.images or job.tree
    kind = InputRefused if read else ConfigError
    what = "the images, what names them" if job.is_listed else "the configuration, the tree"
    return kind(
        f"{what} or the program was changed while the command was at work",
        file=read or job.config,
        remedy="run the same command again: what is finished and still wanted is kept",
    )


def _leave_when_idle() -> None:
    """Have a worker that waits for others end after a while: the command starts another.

    A task that was finished by a worker that died before it said so stays "running" at luigid,
    then becomes pending for nobody: only a worker that looks anew finds it done.
    """
    settings = luigi.configuration.get_config()
    if not settings.has_option("worker", _IDLE):
        settings.set("worker", _IDLE, "30 seconds")
