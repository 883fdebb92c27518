"""What Luigi's worker is given: a scheduler, in its own process or a luigid, and a quiet log."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING

import luigi
from luigi.scheduler import Scheduler
from luigi.worker import Worker

from pipeline.errors import ShardmillError

if TYPE_CHECKING:  # most commands work alone
    from tasks.run.luigid import LuigidClient

logger = logging.getLogger("luigi-interface")

_EVERY_S = 0.5


class LocalScheduler(Scheduler):
    """A scheduler that prunes at most twice a second.

    Luigi's goes through all tasks whenever one is asked for: a quarter of its time where there
    are a thousand. What it looks for is tasks to be tried again, after seconds.
    """

    def __init__(self) -> None:
        super().__init__(prune_on_get_work=True, record_task_history=False)
        self._pruned = 0.0

    def prune(self) -> None:
        """Look for tasks that may be tried again, unless that was just done."""
        now = time.monotonic()
        if now - self._pruned >= _EVERY_S:
            self._pruned = now
            super().prune()


class PlainWorker(Worker):
    """Luigi's worker; an error of ours has said everything, and its traceback says nothing."""

    def _log_unexpected_error(self, task: luigi.Task) -> None:
        error = sys.exception()
        if isinstance(error, ShardmillError):
            logger.error("%s is not scheduled: %s", task.task_id, error.what)
        else:
            super()._log_unexpected_error(task)


class Factory:
    """Makes what `luigi.build` needs.

    Args:
        luigid: to ask for work; None: the worker has a scheduler of its own.
    """

    def __init__(self, luigid: LuigidClient | None = None) -> None:
        self._luigid = luigid

    def create_local_scheduler(self) -> Scheduler:
        """Return a scheduler for one worker."""
        return LocalScheduler()

    def create_remote_scheduler(self, url: str) -> LuigidClient:
        """Return the luigid; which one is the command's to say, and no setting of Luigi's."""
        del url
        if self._luigid is None:
            raise TypeError("there is no luigid")
        return self._luigid

    def create_worker(
        self, scheduler: Scheduler | LuigidClient, worker_processes: int, assistant: bool = False
    ) -> Worker:
        """Return a worker; none is an assistant, which would run what others have scheduled."""
        del assistant
        return PlainWorker(scheduler=scheduler, worker_processes=worker_processes)
