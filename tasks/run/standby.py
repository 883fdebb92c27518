"""A process that a command forks at its beginning, and that becomes its first worker.

A worker needs what its command has imported, Arrow, NumPy and Luigi among it: to import that again
in a new interpreter takes longer than many a job. A fork has it. It is made while the command has
no lock, display, thread, client or open pool; it waits until it is told what to do, and ends if
that does not come. The workers that follow one that died are new interpreters, see `launch`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from typing import Final, NoReturn

from pipeline import storage
from pipeline.processes.interrupts import held, interrupting
from tasks.run.processes import (
    PARENT_VARIABLE,
    REPORT_VARIABLE,
    RUN_VARIABLE,
    die_with_command,
)
from tasks.run.safepath import SAFE_PATH

POSSIBLE: Final = [sys.platform.startswith("linux")]
"""Whether a worker may be a fork: libraries of other systems do not take that."""
_LOOK_AGAIN_S: Final = 0.01
_DISMISSED_S: Final = 1.0
_MOST_AT_ONCE: Final = 1 << 16  # bytes
_DESCRIPTORS: Final = b"log, report"
_BETWEEN: Final = "\0"  # words of a command line


@contextlib.contextmanager
def standing_by(*, is_wanted: bool) -> Iterator[Standby | None]:
    """Have a process stand by in this context; it ends with the context, unless it was told.

    Yields:
        None: none is wanted, or can be.
    """
    if not (is_wanted and POSSIBLE[0]):
        yield None
        return
    standby = Standby()
    try:
        yield standby
    finally:
        standby.dismiss()


def new_interpreter(
    words: Sequence[str], run: str, log: int, report: int, module: str = "tasks.run.launch"
) -> subprocess.Popen[bytes]:
    """Return a worker in an interpreter of its own that runs a module.

    See `Standby.become_worker` for the other arguments.
    """
    environment = {
        **os.environ,
        **SAFE_PATH,
        RUN_VARIABLE: run,
        PARENT_VARIABLE: str(os.getpid()),
        REPORT_VARIABLE: str(report),
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *words],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environment,
        pass_fds=(report,),
        start_new_session=True,  # an interrupt from the keyboard is the command's to handle
    )


class ForkedProcess:
    """A child of this process, with those methods of `subprocess.Popen` that a command needs.

    Attributes:
        pid: its number.
        returncode: its exit status, or -N after signal N; None: it runs, as far as is known.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Look whether it has ended; return what `returncode` says."""
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait until it has ended, so many seconds at most; return its `returncode`.

        Raises:
            subprocess.TimeoutExpired: it runs still.
        """
        end = time.monotonic() + timeout
        while (status := self.poll()) is None:
            left = end - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(min(left, _LOOK_AGAIN_S))
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once, if it runs."""
        self.send_signal(signal.SIGKILL)


class Standby:
    """A process that waits for what it is to do; it is forked from this one, and dies with it."""

    def __init__(self) -> None:
        line, its = socket.socketpair()
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            with its, held():
                pid = os.fork()
                if pid == 0:
                    line.close()
                    _wait(its, parent)
        except BaseException:
            line.close()  # at which it ends
            raise
        self._line: socket.socket | None = line
        self._process = ForkedProcess(pid)

    def become_worker(
        self, words: Sequence[str], run: str, log: int, report: int
    ) -> ForkedProcess | None:
        """Have it be a worker; return its process, or None: it has died, or was one already.

        Args:
            words: of the command line of `tasks.run.launch`.
            run: name of the running command.
            log: a descriptor for what it says.
            report: one for its reports, see `tasks.run.processes.report`.
        """
        line, self._line = self._line, None
        if line is None:
            return None
        with line, contextlib.suppress(OSError):
            socket.send_fds(line, [_DESCRIPTORS], [log, report])
            line.sendall(_BETWEEN.join([run, *words]).encode())
            return self._process
        self._process.kill()
        self._process.wait(_DISMISSED_S)
        return None

    def dismiss(self) -> None:
        """End it, unless it was told what to do."""
        if self._line is not None:
            self._line.close()
            self._line = None
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_DISMISSED_S)


def _wait(line: socket.socket, parent: int) -> NoReturn:
    """Be the process that stands by: nothing that called this is ever returned to."""
    status = 1
    try:
        os.setsid()  # an interrupt from the keyboard is the command's to handle
        for number in interrupting():
            signal.signal(number, signal.SIG_DFL)
        os.environ[PARENT_VARIABLE] = str(parent)
        die_with_command()
        with line:
            _, descriptors, *_ = socket.recv_fds(line, len(_DESCRIPTORS), 2)
            text = b"".join(iter(lambda: line.recv(_MOST_AT_ONCE), b""))
        told = text.decode().split(_BETWEEN)
        status = _work(told, *descriptors) if text else 0
    except BaseException:  # noqa: BLE001 - as an interpreter ends
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _work(told: list[str], log: int, report: int) -> int:
    """Be a worker, with what a new interpreter would have; return its exit status."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, *standard in ((nothing, 0), (log, 1, 2)):
        for number in standard:
            os.dup2(descriptor, number)
        os.close(descriptor)
    run, *words = told
    os.environ |= {RUN_VARIABLE: run, REPORT_VARIABLE: str(report)}
    sys.argv[1:] = words
    waits = logging.getLogger(storage.WAITS)
    waits.handlers.clear()  # which had the command say something
    waits.propagate = True
    from tasks.run import worker  # noqa: PLC0415 - it imports the tasks, which import this room

    return worker.main()
