"""Runs the worker process for a command, watches it, and reports how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from pipeline import manifest, paths, storage
from pipeline.documents.decoding import decoded
from pipeline.documents.records import ErrorRecord
from pipeline.errors import NotVerifiedYet, OutputDamaged, ShardmillError, Vanished, from_record
from pipeline.job.options import Job
from pipeline.plaintext import Lines
from pipeline.processes.interrupts import interrupting
from pipeline.state import progress, run_end
from pipeline.storage import Location
from tasks.phases import PREPARING, Phase
from tasks.run import headway, scheduler
from tasks.run.exchange import Address
from tasks.run.notices import Notices
from tasks.run.processes import BEGUN, NOTICE, end_group
from tasks.run.silent_hosts import SilentHosts
from tasks.run.standby import ForkedProcess, Standby, new_interpreter

_POLL_S = 0.2
_IDLE_LAUNCHES = 3  # so many workers in a row may die or end without any headway
_PATIENCE_S = 300.0  # with a luigid: for a host that died to be missed, and its tasks given away
_GRACE_S = 10.0
_PAUSE_S = 0.5
_PROBE_S = 5.0
_STDERR = 2


@dataclass(frozen=True)
class Outcome:
    """How a run ended: complete or not, interrupted or not, and what failed."""

    complete: bool
    interrupted: bool
    failures: tuple[ShardmillError, ...]


@dataclass
class Supervisor:
    """One command's run of a job, or of a part of it; `standby` becomes its first worker.

    A worker that is asked to end has `grace_s` seconds for that.
    """

    job: Job
    workers: int
    scheduler: Address | None = None
    phase: Phase = PREPARING
    name: str = field(default_factory=run_end.new_name)
    began: float = field(default_factory=time.monotonic)
    standby: Standby | None = None
    grace_s: float = _GRACE_S
    _interrupts: int = 0
    _partial: bytes = b""
    _lost: bool = False
    _begun: bool = False
    _silent: SilentHosts | None = None
    _notices: Notices = field(default_factory=Notices)
    _reported: dict[str, ShardmillError] = field(default_factory=dict)

    @property
    def out(self) -> Location:
        """The output folder."""
        return self.job.folder

    @property
    def log(self) -> Path:
        """The worker's log."""
        return paths.run_log(self.out, self.name)

    def run(self, watch: Callable[[], None], tell: Callable[[str], None]) -> Outcome:
        """Launch workers until the job is complete, refused, interrupted or makes no headway.

        Args:
            watch: called several times a second, for a display.
            tell: called with what a person should know at once.
        """
        idle, active, moved = 0, progress.activity(self.out), time.monotonic()
        with self._catching_signals():
            while True:
                status = self._work(watch, tell)
                storage.renew()
                complete = self.phase.is_complete(self.job)
                failures = self.failures()
                if complete or self._interrupts or any(f.permanent for f in failures):
                    break
                if failures and not (status or self.phase.tries_again):
                    break
                if (repeated := headway.endless(self.out, self.name)) is not None:
                    failures = (*failures, repeated)
                    break
                if (now := progress.activity(self.out)) != active:
                    idle, active, moved = 0, now, time.monotonic()
                    continue
                # A worker that ends well beside a luigid only waits for another host.
                idle += 1 if status or not self.scheduler else 0
                time.sleep(_PAUSE_S)
                if idle >= _IDLE_LAUNCHES or time.monotonic() - moved > _PATIENCE_S:
                    break
        self.phase.sweep(self.job)
        interrupted = bool(self._interrupts) and not complete
        if status and not (self._begun or complete or interrupted or failures):
            failures = (self._stillborn(status),)
        return Outcome(complete, interrupted, failures)

    def failures(self) -> tuple[ShardmillError, ...]:
        """Return what this run's tasks have recorded, permanent refusals first."""
        folder = paths.run_failures(self.out, self.name)
        recorded = []
        for path in storage.documents(folder):
            with contextlib.suppress(Vanished, OutputDamaged):
                content = storage.read_bytes(path, manifest.MOST_BYTES)
                recorded.append(from_record(decoded(content, ErrorRecord, path)))
        found = [*(self._reported | {str(error): error for error in recorded}).values()]
        if any(error.permanent for error in found):  # it says what became of the archive
            found = [error for error in found if not isinstance(error, NotVerifiedYet)]
        return tuple(sorted(found, key=lambda error: not error.permanent))

    def _work(self, watch: Callable[[], None], tell: Callable[[str], None]) -> int:
        """Run one worker to its end; return its exit status."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)
        with self._open_log(tell) as log:
            worker = self._launched(log, writing)
            os.close(writing)
            asked, probed = 0.0, time.monotonic()
            while (status := worker.poll()) is None:
                watch()
                if time.monotonic() - probed > _PROBE_S:
                    probed = time.monotonic()
                    self._probe(tell)
                self._listen(reading, tell)
                if self._interrupts and not asked:
                    worker.send_signal(signal.SIGTERM)
                    asked = time.monotonic()
                    self._tell_of_end(tell)
                if asked and (self._interrupts > 1 or time.monotonic() - asked > self.grace_s):
                    worker.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    worker.wait(_POLL_S)
            end_group(worker.pid)
            progress.clear_counters(self.out, self.name)
            self._listen(reading, tell)
            os.close(reading)
        watch()
        return status

    def _launched(
        self, log: BinaryIO | int, report: int
    ) -> subprocess.Popen[bytes] | ForkedProcess:
        """Return a worker that has begun: the process that stands by, else a new interpreter."""
        digest, job = self.phase.digest(self.job), self.job.to_json()
        words = [digest, job, str(self.workers), self.phase.name, *map(str, self.scheduler or ())]
        number = log if isinstance(log, int) else log.fileno()
        forked = self.standby and self.standby.become_worker(words, self.name, number, report)
        return forked or new_interpreter(words, self.name, number, report)

    @contextlib.contextmanager
    def _open_log(self, tell: Callable[[str], None]) -> Iterator[BinaryIO | int]:
        """Give the worker's log, or standard error where it cannot be written."""
        try:
            log = storage.open_log(self.log)
        except ShardmillError as error:
            tell(f"{error.file}: no log can be written here, so it follows: {error.what}")
            yield _STDERR
            return
        with log:
            yield log

    def _tell_of_end(self, tell: Callable[[str], None]) -> None:
        """Say what a worker does that was asked to end, if it takes long."""

    def _probe(self, tell: Callable[[str], None]) -> None:
        if self.scheduler is None:
            return
        try:
            scheduler.check(self.scheduler)
            self._lost = False
            self._silent = self._silent or SilentHosts(self.scheduler, self.job.out)
            for line in self._silent.fallen_silent():
                tell(line)
        except ShardmillError as error:
            if not self._lost:
                tell(f"{error.what}: waiting for it; finished tasks are kept")
            self._lost = True

    def _listen(self, reports: int, tell: Callable[[str], None]) -> None:
        with contextlib.suppress(BlockingIOError):
            while content := os.read(reports, 1 << 16):
                *lines, self._partial = (self._partial + content).split(b"\n")
                for line in lines:
                    self._hear(line, tell)

    def _hear(self, line: bytes, tell: Callable[[str], None]) -> None:
        """Take what a worker or a task reports in a line."""
        if line == BEGUN:
            self._begun = True
        elif line.startswith(NOTICE):
            self._notice(line.removeprefix(NOTICE).decode(errors="replace"), tell)
        else:
            with contextlib.suppress(OutputDamaged):
                error = from_record(decoded(line, ErrorRecord, self.log))
                self._reported.setdefault(str(error), error)

    def _notice(self, text: str, tell: Callable[[str], None]) -> None:
        if self._notices.is_new(text):
            tell(text)

    def _stillborn(self, status: int) -> ShardmillError:
        """Return why no worker of this command has come to its first task."""
        lines = list[str]()
        with contextlib.suppress(ShardmillError):  # it could not be written
            lines = storage.read_bytes(self.log).decode(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        ended = f"status {status}" if status >= 0 else signal.Signals(-status).name
        return ShardmillError(
            "the process that runs the tasks has ended before its first task",
            file=str(self.log),
            found=Lines.of((f"it ended with {ended}; the last line of its log is", last)),
            remedy="mend what that line says: until then the same command fails again",
        )

    @contextlib.contextmanager
    def _catching_signals(self) -> Iterator[None]:
        def note(number: int, frame: FrameType | None) -> None:
            del number, frame
            self._interrupts += 1

        before = {number: signal.signal(number, note) for number in interrupting()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
