"""All tasks that belong to a job, by their names."""

from __future__ import annotations

import luigi


def required_by(root: luigi.Task) -> dict[str, luigi.Task]:
    """Return a task and all that it requires, by name: also what was complete from the start."""
    tasks, pending = dict[str, luigi.Task](), [root]
    while pending:
        task = pending.pop()
        if task.task_id not in tasks:
            tasks[task.task_id] = task
            pending += task.deps()
    return tasks
