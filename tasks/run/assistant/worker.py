"""The process that runs Luigi for an assistant: what it does with what it was handed.

    python -m tasks.run.assistant.launch WORKERS GRACE HOST PORT (DIGEST JOB)...

It takes tasks until nothing is pending. Asked to end, it begins no further shard, gives back what
it was handed and has not done, and ends; where that takes too long it kills its tasks first.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import select
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from luigi.interface import core
from luigi.setup_logging import InterfaceLogging
from luigi.task_status import DONE, FAILED

from pipeline import manifest, paths, storage
from pipeline.documents.decoding import decoded
from pipeline.documents.records import ErrorRecord
from pipeline.errors import OutputDamaged, ShardmillError, TransientError, Vanished, from_record
from pipeline.job.options import Job
from pipeline.processes.interrupts import interrupting
from tasks.phases import PREPARING
from tasks.run import draining
from tasks.run.assistant.client import AssistantClient
from tasks.run.local_scheduler import PlainWorker
from tasks.run.preloading import preload
from tasks.run.processes import notice, report, run_name
from tasks.run.settings import apply_shipped_settings, send_no_mails
from tasks.run.worker import carried_out, changed, reap_tasks

LEFT: Final = b"left "
"""What a report begins with that says why no more tasks of a job are taken: its place follows."""
CUT_OFF: Final = 130
"""The exit status where tasks were killed, for they took longer than they were given."""
_MOST_FAILURES: Final = 3  # of tasks of a job that another try may not meet
_KILLED_S: Final = 2.0  # that a killed process may take to be gone


class AssistantWorker(PlainWorker):
    """Luigi's worker, without what it says of tasks that are others' to schedule and to fail."""

    def __init__(self, client: AssistantClient, processes: int) -> None:
        super().__init__(scheduler=client, worker_processes=processes)
        self._client = client
        self._failures = Counter[Job]()

    @property
    def name(self) -> str:
        """What a luigid knows it by."""
        return str(self._id)

    def drain(self) -> None:
        """Take no more tasks, and have those at work stop after the shard that they write."""
        draining.ask()
        self._start_phasing_out()

    def cut_off(self) -> bool:
        """Kill the tasks at work and give them back; return whether there were any."""
        processes: dict[str, Any] = dict(self._running_tasks)
        for process in processes.values():
            process.kill()
        for task_id, process in processes.items():
            process.join(_KILLED_S)
            with contextlib.suppress(ShardmillError):  # its silence says it, after a while
                self._client.give_back(self.name, task_id, at_once=True)
        self._running_tasks.clear()
        return bool(processes)

    def add(self, *_: object, **__: object) -> bool:
        """Schedule nothing, whatever a task finds that it needs."""
        return True

    def handle_interrupt(self, signum: int, _: object) -> None:
        """Go on after an error that will not pass: it is one of a task, see `_add_task`."""

    def _keep_alive(self, get_work_response: object) -> bool:
        del get_work_response
        return not self._stop_requesting_work and self._client.is_awaited()

    def _get_work(self) -> Any:
        response = super()._get_work()
        if self._client.left:
            self.drain()
        return response

    def _add_task(self, **told: Any) -> None:
        """Tell the luigid of a task that is done; any other one is given back."""
        task_id = told["task_id"]
        if told["status"] == DONE and self._is_made(task_id):
            super()._add_task(**told)
            return
        if told["status"] == FAILED:
            self._note_failure(task_id)
        self._client.give_back(self.name, task_id)

    def _is_made(self, task_id: str) -> bool:
        """Whether a task that has ended well has done all: one that was to stop may have not."""
        if not draining.is_asked():
            return True
        storage.renew()
        return bool(self._scheduled_tasks[task_id].complete())

    def _note_failure(self, task_id: str) -> None:
        """Leave a job whose task fails here for good, or again and again."""
        task = self._scheduled_tasks[task_id]
        error = _failure(task)
        self._failures[task.job] += 1
        if error.permanent or self._failures[task.job] >= _MOST_FAILURES:
            self._client.leave(task_id, error)
            self.drain()


def main() -> int:
    """Do what commands have scheduled; return an exit status."""
    workers, grace_s, host, port, *told = sys.argv[1:]
    jobs = dict(zip(map(Job.from_json, told[1::2]), told[::2], strict=True))
    return carried_out(lambda: _run(jobs, int(workers), float(grace_s), (host, int(port))))


def _run(jobs: dict[Job, str], workers: int, grace_s: float, address: tuple[str, int]) -> int:
    for job, digest in jobs.items():
        preload(job)
        if PREPARING.digest(job) != digest:
            raise changed(job)
    draining.begin()
    multiprocessing.set_start_method("fork")
    apply_shipped_settings()
    send_no_mails()
    InterfaceLogging.setup(core())
    client = AssistantClient(address, tuple(jobs), notice)
    worker, is_cut_off = AssistantWorker(client, workers), False
    with _draining_on_signals(worker, grace_s), worker:
        try:
            worker.run()
        except _OutOfTimeError:
            is_cut_off = worker.cut_off()
        except BaseException:
            worker.cut_off()
            raise
    reap_tasks()
    client.withdraw(worker.name)
    for job, error in client.left.items():
        _report_left(tuple(jobs).index(job), error)
    if client.given_up is not None:
        raise client.given_up
    return CUT_OFF if is_cut_off else 0


class _OutOfTimeError(Exception):
    """What was to be finished takes longer than it may."""


@contextlib.contextmanager
def _draining_on_signals(worker: AssistantWorker, grace_s: float) -> Iterator[None]:
    """Have a signal drain a worker in this context, for so many seconds at most.

    Raises:
        _OutOfTimeError: it takes longer.
    """
    own = os.getpid()

    def drain(number: int, _: object) -> None:
        if os.getpid() != own:
            return  # a task, which whoever stops the host has sent the signal, too
        if number == signal.SIGALRM:
            raise _OutOfTimeError
        if not signal.getitimer(signal.ITIMER_REAL)[0]:
            signal.setitimer(signal.ITIMER_REAL, grace_s)
        worker.drain()

    numbers = [*interrupting(), signal.SIGALRM]
    before = {number: signal.signal(number, drain) for number in numbers}
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _failure(task: Any) -> ShardmillError:
    """Return why a task has failed, as it has recorded it."""
    path = paths.run_failures(task.folder, run_name()) / f"{task.task_id}.json"
    with contextlib.suppress(OutputDamaged, Vanished):
        return from_record(
            decoded(storage.read_bytes(path, manifest.MOST_BYTES), ErrorRecord, path)
        )
    return TransientError(
        "the process of a task has ended before the task did: was it killed, for memory?",
        file=str(task.folder),
        place=str(task.task_id),
        remedy="see the log; start this worker again with fewer --workers if memory ran out",
    )


def _report_left(index: int, error: ShardmillError) -> None:
    """Report why no more tasks of a job are taken, given its place in the command line."""
    texts: Sequence[ShardmillError] = (error, error.altered(expected=None, found=None))
    lines = [LEFT + f"{index} {json.dumps(each.to_record())}".encode() for each in texts]
    report(next((line for line in lines if len(line) < select.PIPE_BUF), lines[-1]))
