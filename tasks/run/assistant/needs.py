"""What a task needs, as it is seen from this host."""

from __future__ import annotations

from typing import Any

import luigi

from pipeline.errors import InputRefused, ShardmillError


def first_lacking(task: luigi.Task) -> ShardmillError | None:
    """Return what a task needs that is not seen from here; None: all is there."""
    needed: Any
    for needed in task.deps():
        try:
            if needed.complete():
                continue
        except ShardmillError as error:
            return error
        return InputRefused(
            f"what {task.task_family} needs is not seen from here, or is another than there",
            file=str(needed.output()),
            remedy="give this host the same archives and images, at the same places, as the hosts"
            " of the command",
        )
    return None
