"""An assistant's client of a ``luigid``: it joins tasks that commands have scheduled.

Luigi's own assistant is handed whatever anybody has scheduled, imports the module that is named
beside it, and never ends. This one makes the tasks of the jobs that it was told itself, asks which
of them are pending for commands that live, and says of those alone that it takes them: a luigid
hands out no others. It gives back what it cannot do, and never says that a task has failed.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import luigi
from luigi.task_status import FAILED, PENDING, RUNNING

from pipeline import plaintext, storage
from pipeline.errors import ShardmillError
from pipeline.job.options import Job
from tasks.artifact_tasks import ShardmillTask
from tasks.phases import PREPARING
from tasks.run import draining, exchange
from tasks.run.assistant import needs
from tasks.run.assistant.listing import Listed, deps_of, names_of
from tasks.run.exchange import Address, Limits
from tasks.run.luigid import IN_PASSING, Ask, LuigidClient
from tasks.run.required import required_by

LOOK_S: Final = 5.0
"""Seconds between two looks at what is pending, while there is nothing to do."""
COMMAND_S: Final = 60.0
"""So long it waits while nothing is pending: a command may be about to schedule its tasks."""
PATIENCE_S: Final = 300.0
"""So long it waits while all that is pending stands still: no host gets any further."""
SEEN_S: Final = 10.0
"""So long it waits for what a task needs to be seen here: another host may just have made it."""
_LOOK_AGAIN_S: Final = 0.5
_AT_ONCE: Final = 50  # tasks that are joined before work is asked for
_LIST: Final = Limits(answer_bytes=32 << 20)  # about 40,000 tasks


@dataclass
class _Seen:
    """What a look has shown, and since when.

    Attributes:
        tasks: those of the jobs that are not done, by name.
        moved: when anything of that was last another, or a task was handed out.
        last: when any was there last.
        next: when to look again.
    """

    tasks: Mapping[str, Listed] = field(default_factory=dict)
    moved: float = 0.0
    last: float = 0.0
    next: float = 0.0


class AssistantClient(LuigidClient):
    """What an assistant takes for its scheduler.

    Args:
        address: host and port of the luigid.
        jobs: those whose tasks it takes.
        say: called with what a person should know at once.
        ask: one exchange with the luigid.
        clock: returns seconds that only grow.

    Attributes:
        left: why it takes no more tasks of a job, by the job.
    """

    def __init__(
        self,
        address: Address,
        jobs: Sequence[Job],
        say: Callable[[str], None],
        ask: Ask = exchange.ask,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(address, lambda: PREPARING.root(jobs[0]), say, ask)
        self.left = dict[Job, ShardmillError]()
        self._jobs = tuple(jobs)
        self._clock = clock
        self._seen = _Seen(moved=clock(), last=clock())
        self._ahead = deque[str]()
        self._is_idle = True
        self._has_waited = False

    @cached_property
    def _of_job(self) -> dict[str, luigi.Task]:
        """The tasks that can be joined, by name.

        A task that needs nothing checks the host that it runs on: that is the command's.
        """
        required = [required_by(PREPARING.root(job)) for job in self._jobs]
        return {
            name: task
            for tasks in required
            for name, task in tasks.items()
            if isinstance(task, ShardmillTask) and task.deps()
        }

    def get_work(self, **asked: Any) -> dict[str, object]:
        """Join what is pending, and ask for a task to run; see `LuigidClient.get_work`.

        Returns:
            An answer whose task, if any, is one of the jobs, and all that it needs is there.
        """
        worker = asked["worker"]
        if self._is_idle and self._clock() >= self._seen.next:
            self._look(worker)
        self._join(worker)
        answer = super().get_work(**asked)
        task_id = answer["task_id"]
        self._is_idle = task_id is None
        if not isinstance(task_id, str):
            return answer
        self._seen.moved = self._clock()
        lacking = self._lacking(task_id)
        if lacking is None:
            return answer
        self.give_back(worker, task_id)
        self.leave(task_id, lacking)
        return answer | {"task_id": None}

    def give_back(self, worker: str, task_id: str, *, at_once: bool = False) -> None:
        """Have a task that this worker was handed be pending again, and count no failure of it.

        A luigid takes that from whoever has found that a task needs more, so it is told one of
        the tasks that it needs anyway.

        Args:
            worker: name of this worker.
            task_id: of the task.
            at_once: whether it is tried once only, for there is no time.
        """
        ask = self._ask_in_passing if at_once else self._request
        deps = deps_of(ask("dep_graph", {"task_id": task_id}), task_id)
        told = {"worker": worker, "task_id": task_id, "status": PENDING, "runnable": None}
        ask("add_task", told | {"new_deps": deps[:1]} | self._policy(task_id))

    def leave(self, task_id: str, error: ShardmillError) -> None:
        """Take no more tasks of the job of a task; the error says why."""
        task: Any = self._of_job[task_id]
        self.left.setdefault(task.job, error)

    def withdraw(self, worker: str) -> None:
        """Have nothing more be kept for this worker; that a luigid is gone decides nothing."""
        with contextlib.suppress(ShardmillError):
            self._ask_in_passing("disable_worker", {"worker": worker})

    def is_awaited(self) -> bool:
        """Whether there may be something to do: not for ever if nobody gets any further."""
        now = self._clock()
        if self._seen.tasks or self._ahead:
            return now - self._seen.moved < PATIENCE_S
        storage.renew(after_s=LOOK_S)
        if all(map(PREPARING.is_complete, self._jobs)):
            return False
        if not self._has_waited:
            self._has_waited = True
            where = f"{self._address[0]}:{self._address[1]}"
            self._say(
                f"nothing of these outputs is pending at {where} for a command that lives:"
                f" waiting up to {COMMAND_S:g} seconds for one"
            )
        return now - self._seen.last < COMMAND_S

    def _ask_in_passing(self, method: str, told: Mapping[str, object]) -> Any:
        return self._ask(self._address, method, told, IN_PASSING)

    def _look(self, worker: str) -> None:
        """Look which tasks of the jobs are pending or at work."""
        now, tasks = self._clock(), dict[str, Listed]()
        for out in dict.fromkeys(job.out for job in self._jobs):
            for status in (PENDING, RUNNING, FAILED):
                tasks |= self._listed(out, status)
        if tasks != self._seen.tasks:
            self._seen.moved = now
        if tasks:
            self._seen.last, self._has_waited = now, False
        self._seen.tasks, self._seen.next = tasks, now + LOOK_S
        pending = (name for name, task in tasks.items() if task.status == PENDING)
        self._ahead = deque(name for name in pending if worker not in tasks[name].workers)

    def _listed(self, out: str, status: str) -> dict[str, Listed]:
        """Return the tasks of the jobs that have a status, and that a living worker has."""
        asked = {"status": status, "upstream_status": "", "limit": False, "search": out}
        answer = self._request("task_list", asked, _LIST)
        if answer is None:  # which a busy luigid may give: the next look sees more
            return {}
        try:
            ours = self._of_job.keys() & names_of(answer)
            listed = {name: Listed.from_answer(status, answer[name]) for name in ours}
        except ValueError as error:
            raise exchange.refused(self._address, "task_list", "tasks", str(error)) from error
        return {name: task for name, task in listed.items() if task.workers}

    def _join(self, worker: str) -> None:
        """Say of some tasks that this worker takes them, unless they have been done meanwhile."""
        storage.renew(after_s=LOOK_S)
        for _ in range(min(_AT_ONCE, len(self._ahead))):
            task_id = self._ahead.popleft()
            if not self._of_job[task_id].complete():
                told = {"worker": worker, "task_id": task_id, "status": PENDING, "runnable": True}
                self._request("add_task", told | self._policy(task_id))

    def _policy(self, task_id: str) -> dict[str, object]:
        """Return what every `add_task` says of a task: what is left out would be forgotten."""
        task: Any = self._of_job.get(task_id)
        if task is None:
            return {}
        retries = {
            "retry_count": task.retry_count,
            "disable_hard_timeout": task.disable_hard_timeout,
        }
        more = {"disable_window": task.disable_window}
        return {"resources": task.process_resources(), "retry_policy_dict": retries | more}

    def _lacking(self, task_id: str) -> ShardmillError | None:
        """Return what a task needs that is not seen from here; None: all is there."""
        deadline = self._clock() + SEEN_S
        while True:
            storage.renew()
            lacking = needs.first_lacking(self._of_job[task_id])
            if lacking is None or self._clock() >= deadline or draining.is_asked():
                return lacking
            time.sleep(_LOOK_AGAIN_S)

    def _decline(self, task_id: str, worker: object) -> None:
        """Give back a task of another job."""
        self._name(f"the task {plaintext.beginning(task_id)}")
        self.give_back(str(worker), task_id)
