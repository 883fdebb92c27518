"""Luigi's scheduler inside a worker: the same, but that it tidies up less often."""

from __future__ import annotations

import time

from luigi.rpc import RemoteScheduler
from luigi.scheduler import Scheduler
from luigi.worker import Worker

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


class Factory:
    """Makes what `luigi.build` needs."""

    def create_local_scheduler(self) -> Scheduler:
        """Return a scheduler for one worker."""
        return LocalScheduler()

    def create_remote_scheduler(self, url: str) -> RemoteScheduler:
        """Return a connection to a luigid."""
        return RemoteScheduler(url)

    def create_worker(
        self, scheduler: Scheduler, worker_processes: int, assistant: bool = False
    ) -> Worker:
        """Return a worker."""
        return Worker(scheduler=scheduler, worker_processes=worker_processes, assistant=assistant)
