"""What a ``luigid`` lists of a task, checked for its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Listed:
    """A task in a list of them: nothing else of an answer is looked at.

    Attributes:
        status: by which it was asked for.
        workers: names of the workers that have it scheduled, or have joined it, and live.
        progress: percentage, as it was reported; None: nothing was.
    """

    status: str
    workers: frozenset[str]
    progress: float | None

    @classmethod
    def from_answer(cls, status: str, answer: Any) -> Listed:
        """Read a task of an answer.

        Raises:
            ValueError: it has not the shape of one; the text says what is wrong.
        """
        if not isinstance(answer, dict):
            raise ValueError(f"{type(answer).__name__} instead of a task")
        workers, progress = answer.get("workers"), answer.get("progress_percentage")
        if not isinstance(workers, list) or not all(isinstance(each, str) for each in workers):
            raise ValueError("workers that are no list of names")
        if not isinstance(progress, int | float | None):
            raise ValueError(f"progress of type {type(progress).__name__}")
        return cls(status, frozenset(workers), progress)


def deps_of(graph: Any, task_id: str) -> list[str]:
    """Return the names of what a task needs, as a luigid has them; none: it does not say."""
    task = graph.get(task_id) if isinstance(graph, dict) else None
    needs = task.get("deps") if isinstance(task, dict) else None
    return [each for each in needs if isinstance(each, str)] if isinstance(needs, list) else []


def names_of(answer: Any) -> set[str]:
    """Return the names of the tasks in a list of them.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(answer, dict):
        raise ValueError(f"{type(answer).__name__} instead of an object")
    return set(answer)
