"""How far a running task is, for the command and for Luigi's visualiser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.state import progress
from tasks.run.processes import run_name

if TYPE_CHECKING:
    from tasks.base import JobTask


class ProgressReporter:
    """Publishes progress of a running task, at most twice a second."""

    def __init__(self, task: JobTask, name: str, total: int, unit: str) -> None:
        self._task = task
        self._total = total
        self._counter = progress.Counter(task.folder, run_name(), task.step, name, total, unit)

    def __call__(self, done: int) -> None:
        """Note that `done` units are done."""
        if self._counter.update(done):
            tell: Any = getattr(self._task, "set_progress_percentage", None)
            if tell is not None:
                tell(round(100 * done / max(1, self._total), 1))

    def close(self) -> None:
        """Remove the counter."""
        self._counter.close()
