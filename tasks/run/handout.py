"""What a ``luigid`` hands out when a worker asks it for work, checked for its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from luigi.scheduler import WORKER_STATE_ACTIVE, WORKER_STATE_DISABLED

from pipeline import plaintext

_COUNTS = ("n_pending_tasks", "n_unique_pending", "n_pending_last_scheduled")
_NAME = 200  # characters of a worker's name in the log


@dataclass(frozen=True)
class Handout:
    """An answer to ``get_work``: nothing of it but these fields reaches Luigi's worker.

    Attributes:
        task_id: of the task to run; None where there is none.
        batch: whether several tasks were handed out as one, which no task of ours allows.
        running: (task, worker) of what other workers run, for Luigi's summary.
        counts: tasks that are pending: all, of this worker alone, last scheduled by it.
        enabled: whether the worker may go on asking.
    """

    task_id: str | None
    batch: bool
    running: tuple[tuple[str, str], ...]
    counts: tuple[int, ...]
    enabled: bool

    @classmethod
    def from_answer(cls, answer: Any) -> Handout:
        """Read an answer.

        Raises:
            ValueError: it has not the shape of one; the text says what is wrong.
        """
        if not isinstance(answer, dict):
            raise ValueError(f"{type(answer).__name__} instead of an object")
        task_id, state = answer.get("task_id"), answer.get("worker_state", WORKER_STATE_ACTIVE)
        if not isinstance(task_id, str | None):
            raise ValueError(f"task_id of type {type(task_id).__name__}")
        if state not in (WORKER_STATE_ACTIVE, WORKER_STATE_DISABLED):
            raise ValueError("a worker_state that is neither active nor disabled")
        return cls(
            task_id,
            task_id is None and "batch_id" in answer,
            tuple(map(_running, _list(answer.get("running_tasks")))),
            tuple(_count(name, answer.get(name, 0)) for name in _COUNTS),
            state == WORKER_STATE_ACTIVE,
        )

    def to_answer(self, **task: object) -> dict[str, object]:
        """Return what Luigi's worker gets: no task, unless fields of one are given."""
        return {
            "task_id": None,
            "running_tasks": [{"task_id": task, "worker": worker} for task, worker in self.running],
            "worker_state": WORKER_STATE_ACTIVE if self.enabled else WORKER_STATE_DISABLED,
            **dict(zip(_COUNTS, self.counts, strict=True)),
            **task,
        }


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("running_tasks that are no list")
    return value


def _running(value: Any) -> tuple[str, str]:
    fields = (value.get("task_id"), value.get("worker")) if isinstance(value, dict) else ()
    match fields:
        case (str(task), str(worker)):
            return task, plaintext.line(worker[:_NAME])
    raise ValueError("a running task without a name or a worker")


def _count(name: str, value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} that is no count")
    return value
