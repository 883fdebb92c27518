"""Starts processes that share the work of this one, ends them with it, and says how they ended."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final

from pipeline.processes.interrupts import held

FORKS: Final = sys.platform.startswith("linux")
"""Whether a child has everything that this process has; elsewhere it imports it anew."""
_PR_SET_PDEATHSIG: Final = 1
_JOIN_S: Final = 5.0  # how long a process whose end of a pipe is closed may take to end


@dataclass(frozen=True, eq=False)
class Child:
    """A process that shares the work of this one.

    Attributes:
        process: the process.
        connection: the pipe to it, or from it.
    """

    process: BaseProcess
    connection: Connection

    def how_it_ended(self) -> str:
        """Return in words how a process ended that has closed its end of the pipe."""
        self.process.join(timeout=_JOIN_S)
        code = self.process.exitcode
        ended = f"status {code}" if code is None or code >= 0 else signal.Signals(-code).name
        return f"it was ended by {ended}"


@contextlib.contextmanager
def group() -> Iterator[list[Child]]:
    """Give an empty list for children, all of which have ended when the context is left.

    An error stops them at once. Else each is to end by itself when it finds the pipe closed.
    """
    members: list[Child] = []
    try:
        yield members
    except BaseException:
        for child in members:
            child.process.kill()
        raise
    finally:
        for child in members:
            child.connection.close()
        for child in members:
            child.process.join()


def start(
    target: Callable[..., None], *arguments: object, others: Sequence[Child], duplex: bool = True
) -> Child:
    """Start a process that calls a function, and ends at once when this one dies.

    It takes no notice of a terminal's interrupt: that goes to all processes, and this one decides.

    Args:
        target: what it calls, with its end of the pipe before the other arguments.
        arguments: the others; where nothing is forked they are pickled.
        others: the children that were started before it.
        duplex: whether the pipe leads both ways; else it only leads here.

    Raises:
        OSError: no process can be started.
    """
    # A fork has what is loaded, and takes functions that cannot be pickled.
    get = multiprocessing.get_context
    context = get("fork") if FORKS else get("spawn")
    here, there = context.Pipe(duplex)
    inherited = [*(child.connection for child in others), here] if FORKS else []
    process = context.Process(
        target=_begin, args=(there, inherited, os.getpid(), target, arguments), daemon=True
    )
    try:
        with there, warnings.catch_warnings(), held():
            # Of threads that are forked, too: they hold no lock of ours.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
    except BaseException:
        here.close()
        if process.pid is not None:  # it has begun, and nobody else will know of it
            process.kill()
            process.join()
        raise
    return Child(process, here)


def die_with(parent: int | None, number: signal.Signals) -> None:
    """Have the kernel send this process a signal when the process dies that started it."""
    if FORKS:  # elsewhere an orphan ends when it finds its pipe closed, or after its task
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _begin(
    connection: Connection,
    inherited: Sequence[Connection],
    parent: int,
    target: Callable[..., None],
    arguments: Sequence[object],
) -> None:
    """Make a process a child that answers to its parent alone, and have it do its work.

    As long as it holds the parent's ends of pipes to other children, those would not see the
    parent die.
    """
    die_with(parent, signal.SIGKILL)
    for each in inherited:
        each.close()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    target(connection, *arguments)
