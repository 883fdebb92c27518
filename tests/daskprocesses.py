"""A Dask scheduler and its workers, started by command line on this machine."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from support import ROOT

_STARTS_S = 120.0
_LOCAL = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")
_SCHEDULER = r"Scheduler at: +tcp://([\d.:]+)"
_WORKER = r"Start worker at: +tcp://([\d.:]+)[\s\S]*Registered to: "


class DaskProcesses:
    """Starts them, each without a nanny, and kills them at the end.

    Args:
        folder: for their logs and files.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._started: list[tuple[subprocess.Popen[bytes], Path]] = []
        self.scheduler, log = self._start("scheduler", "--port", "0")
        self._at = self._said(self.scheduler, log, _SCHEDULER)

    @property
    def address(self) -> str:
        """Where the scheduler is, for ``--cluster``."""
        return f"dask://{self._at}"

    def address_of_worker(self) -> str:
        """Return where the worker that was started last is."""
        return f"dask://{self._said(*self._started[-1], _WORKER)}"

    def restart(self) -> None:
        """Start the scheduler again, at the same address."""
        self.scheduler, log = self._start("scheduler", "--port", self._at.rpartition(":")[2])
        self._said(self.scheduler, log, _SCHEDULER)

    def workers(
        self, count: int, *more: object, within: Sequence[str] = ()
    ) -> list[subprocess.Popen[bytes]]:
        """Start worker processes, and wait until the scheduler knows them.

        Args:
            count: how many.
            more: words of their command lines.
            within: what starts them, if it is no shell of this machine.
        """
        words = (f"tcp://{self._at}", "--nthreads", "1", "--no-nanny", "--memory-limit", "0")
        where = ("--local-directory", self._folder)
        started = [
            self._start("worker", *words, *where, *more, within=within) for _ in range(count)
        ]
        for process, log in started:
            self._said(process, log, _WORKER)
        return [process for process, _ in started]

    def _start(
        self, kind: str, *words: object, within: Sequence[str] = ()
    ) -> tuple[subprocess.Popen[bytes], Path]:
        log = self._folder / f"{len(self._started)}.log"
        program = (sys.executable, "-m", f"distributed.cli.dask_{kind}")
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*within, *program, *map(str, words), *_LOCAL],
                cwd=ROOT,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        self._started.append((process, log))
        return process, log

    def _said(self, process: subprocess.Popen[bytes], log: Path, pattern: str) -> str:
        """Return what a process says of itself when it has begun."""
        deadline = time.monotonic() + _STARTS_S
        while time.monotonic() < deadline and process.poll() is None:
            if found := re.search(pattern, log.read_text()):
                return found[1]
            time.sleep(0.05)
        raise AssertionError(log.read_text())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process, _ in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
