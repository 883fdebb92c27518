"""Runs the worker process of an assistant, watches it, and reports how it ended."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from pipeline import storage
from pipeline.documents.decoding import decoded
from pipeline.documents.records import ErrorRecord
from pipeline.errors import OutputDamaged, ShardmillError, from_record
from pipeline.job.options import Job
from pipeline.job.table.worker import GRACE_S
from tasks.run.assistant.worker import CUT_OFF, LEFT
from tasks.run.standby import ForkedProcess, new_interpreter
from tasks.run.supervisor import Supervisor

_LAST_S: Final = 3.0
"""What the worker may take, after its time, to give back what it was handed."""


@dataclass(frozen=True)
class Assisted:
    """How an assistant ended.

    Attributes:
        interrupted: whether it was asked to end.
        cut_off: whether tasks were killed then.
        left: why no more tasks of a job were taken, by the job.
        failure: why its worker failed; None: it did not.
    """

    interrupted: bool
    cut_off: bool
    left: dict[Job, ShardmillError]
    failure: ShardmillError | None


@dataclass
class AssistantSupervisor(Supervisor):
    """One run of an assistant for some jobs, of which `job` is the first.

    Attributes:
        jobs: all of them.
        time_s: seconds that the worker has to finish shards when it is asked to end.
    """

    jobs: tuple[Job, ...] = ()
    time_s: float = GRACE_S
    _left: dict[Job, ShardmillError] = field(default_factory=dict)
    _taken: tuple[Job, ...] = ()  # those that the worker was told

    def __post_init__(self) -> None:
        """Have the worker be killed that does not end in its time, nor shortly after."""
        self.grace_s = self.time_s + _LAST_S

    def assist(self, watch: Callable[[], None], tell: Callable[[str], None]) -> Assisted:
        """Take tasks until nothing is pending, or until asked to end.

        Args:
            watch: called several times a second, for a display.
            tell: called with what a person should know at once.
        """
        with self._catching_signals():
            while True:
                before = len(self._left)
                status = self._work(watch, tell)
                # The worker of a job that it has left is known to the luigid: another one goes on.
                if self._interrupts or status or len(self._left) in {before, len(self.jobs)}:
                    break
        storage.renew()
        for job in self.jobs:
            self.phase.sweep(job)
        interrupted = bool(self._interrupts)
        cut_off = interrupted and status != 0 and self._begun  # else nothing was at work
        failed = status not in {0, CUT_OFF} and not interrupted
        return Assisted(interrupted, cut_off, self._left, self._failure(status) if failed else None)

    def _launched(
        self, log: BinaryIO | int, report: int
    ) -> subprocess.Popen[bytes] | ForkedProcess:
        self._taken = tuple(job for job in self.jobs if job not in self._left)
        told = [text for job in self._taken for text in (self.phase.digest(job), job.to_json())]
        words = [str(self.workers), str(self.time_s), *map(str, self.scheduler or ()), *told]
        number = log if isinstance(log, int) else log.fileno()
        return new_interpreter(words, self.name, number, report, "tasks.run.assistant.launch")

    def _hear(self, line: bytes, tell: Callable[[str], None]) -> None:
        if not line.startswith(LEFT):
            super()._hear(line, tell)
            return
        place, _, record = line.removeprefix(LEFT).partition(b" ")
        with contextlib.suppress(OutputDamaged):
            error = from_record(decoded(record, ErrorRecord, self.log))
            self._left[self._taken[int(place)]] = error

    def _tell_of_end(self, tell: Callable[[str], None]) -> None:
        tell(
            "asked to end: shards that are being written are finished, within"
            f" {self.time_s:g} seconds, and the rest is given back; a second signal ends it at once"
        )

    def _failure(self, status: int) -> ShardmillError:
        """Return why the worker has failed."""
        if status > 0 and self._reported:  # it has ended with that
            return list(self._reported.values())[-1]
        return ShardmillError(
            "the process that runs the tasks has ended",
            file=str(self.log),
            found=f"status {status}" if status > 0 else signal.Signals(-status).name,
            remedy="look in that log, then start the worker again: commands go on without it",
        )
