"""How far a running task is, for the command and for the pages of Luigi's visualiser."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from pipeline import paths, storage
from pipeline.quantities import size
from pipeline.state import progress
from tasks.run.processes import run_name

if TYPE_CHECKING:
    from tasks.base import JobTask

MESSAGE_EVERY_S: Final = 5.0
"""How often the pages are told in words: each time is a request."""


class ProgressReporter:
    """Publishes progress of a running task, at most twice a second."""

    def __init__(self, task: JobTask, name: str, total: int, unit: str) -> None:
        self._task = task
        self._total, self._unit = total, unit
        self._counter = progress.Counter(task.folder, run_name(), task.step, name, total, unit)
        self._began = self._told = time.monotonic()

    def __call__(self, done: int) -> None:
        """Note that `done` units are done."""
        if not self._counter.update(done):
            return
        _tell(self._task, "set_progress_percentage", round(100 * done / max(1, self._total), 1))
        now = time.monotonic()
        if now - self._told >= MESSAGE_EVERY_S:
            self._told = now
            say_on_pages(self._task, self._message(done, done / (now - self._began)))

    def close(self) -> None:
        """Remove the counter."""
        self._counter.close()

    def _message(self, done: int, rate: float) -> str:
        if self._unit == "bytes":
            return f"{size(done)} of {size(self._total)}, {size(rate)}/s"
        return f"{done:,} of {self._total:,} {self._unit}, {rate:,.0f} {self._unit}/s"


@contextlib.contextmanager
def saying_waits(task: JobTask) -> Iterator[None]:
    """Have the pages say what a task waits for in this context."""
    handler, logger = _Waits(task), logging.getLogger(storage.WAITS)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


def say_on_pages(task: JobTask, text: str) -> None:
    """Have the pages say something of a task, and lead to its log.

    Only what takes some seconds comes to this: of a thousand short tasks luigid hears no more.
    """
    log = paths.run_log(task.folder, run_name())
    _tell(task, "set_tracking_url", f"file://{storage.host_name()}{log}")
    _tell(task, "set_status_message", text)


class _Waits(logging.Handler):
    """Has the pages say what is waited for."""

    def __init__(self, task: JobTask) -> None:
        super().__init__(logging.WARNING)
        self._task = task

    def emit(self, record: logging.LogRecord) -> None:
        say_on_pages(self._task, record.getMessage())


def _tell(task: JobTask, how: str, what: object) -> None:
    """Call what Luigi gives a task while a worker runs it; nothing where none does."""
    tell: Any = getattr(task, how, None)
    if tell is not None:
        tell(what)
