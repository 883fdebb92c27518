"""The processes of a run: which command a task works for, how it reports a failure, how it ends."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import multiprocessing
import os
import select
import signal
import sys
import time
from collections.abc import Iterator

from luigi.worker import Worker

from pipeline import storage
from pipeline.errors import ShardmillError
from pipeline.processes.children import die_with

RUN_VARIABLE = "SHARDMILL_RUN"
REPORT_VARIABLE = "SHARDMILL_REPORT"
PARENT_VARIABLE = "SHARDMILL_PARENT"
BEGUN = b"begun"
"""What a task reports when it begins."""
NOTICE = b"notice "
"""What a line begins with that a person should read at once."""
_PR_SET_NAME = 15
_LONGEST_NAME = 15  # bytes
_GONE_S = 10.0  # that killed processes may take: one in an uninterruptible wait may stay
_LOOK_AGAIN_S = 0.02


def run_name() -> str:
    """Return the name of the running command: given by it, or made of host and worker."""
    given = os.environ.get(RUN_VARIABLE)
    if given:
        return given
    worker = multiprocessing.parent_process()
    return f"{storage.host_name()}-{worker.pid if worker else os.getpid()}"


def is_of_command() -> bool:
    """Whether a command has started this process, and not Luigi's own."""
    return RUN_VARIABLE in os.environ


def report(record: bytes) -> None:
    """Tell the command of a failure, or `BEGUN`: a full disk does not stop the pipe to it.

    Lines of up to PIPE_BUF bytes arrive whole; a longer one is left to the record's file.
    """
    given = os.environ.get(REPORT_VARIABLE)
    if given and len(record) < select.PIPE_BUF:
        with contextlib.suppress(OSError):
            os.write(int(given), record + b"\n")


def notice(text: str) -> None:
    """Have the command say a line at once, and the log, too."""
    sys.stderr.write(f"{text}\n")
    report(NOTICE + text.encode())


class _Notices(logging.Handler):
    """Has the command say what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        notice(record.getMessage())


def notice_waits() -> None:
    """Have the command say for whom a task waits, in this process and those forked from it."""
    logging.getLogger(storage.WAITS).addHandler(_Notices())


def stop_siblings() -> None:
    """Ask the Luigi worker that runs this task to start no more: this failure will not pass.

    Luigi's own signal for that is SIGUSR1; it lets running tasks finish.
    """
    handler = getattr(signal.getsignal(signal.SIGUSR1), "__self__", None)
    if isinstance(handler, Worker):
        parent = multiprocessing.parent_process()
        os.kill(parent.pid if parent and parent.pid else os.getpid(), signal.SIGUSR1)


def worker_count() -> int:
    """Return how many tasks the Luigi worker runs at a time that runs this one; 1: none does."""
    handler = getattr(signal.getsignal(signal.SIGUSR1), "__self__", None)
    return max(1, handler.worker_processes) if isinstance(handler, Worker) else 1


@contextlib.contextmanager
def ending_for_good() -> Iterator[None]:
    """Have the worker of a task start no more, nor this one again, if its error will not pass."""
    try:
        yield
    except ShardmillError as error:
        if error.permanent:
            stop_siblings()
        raise


def die_with_worker() -> None:
    """Have the kernel end this task's process when its Luigi worker dies."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        die_with(parent.pid, signal.SIGKILL)


def show_as(step: str) -> None:
    """Have ``ps`` and ``top`` show this task's process by its step."""
    if sys.platform.startswith("linux") and multiprocessing.parent_process() is not None:
        name = f"mill {step}".encode()[:_LONGEST_NAME]
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name)


def die_with_command() -> None:
    """Have the kernel end this worker when its command dies."""
    given = os.environ.get(PARENT_VARIABLE)
    if given is not None:
        die_with(int(given), signal.SIGTERM)


def end_group(leader: int) -> None:
    """End what a dead worker has left behind: its tasks would write on beside the next one."""
    deadline = time.monotonic() + _GONE_S
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(leader, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):  # as the first process of a container
                os.waitpid(-leader, os.WNOHANG)
            time.sleep(_LOOK_AGAIN_S)
