"""A worker's client of a ``luigid``: what it asks, and which answers it accepts.

Luigi's worker does what the scheduler says: it imports the module that an answer names, builds a
task of the parameters beside it, and runs that. A luigid knows no passwords, so everybody who
reaches it could have a worker run anything. Here only the name of a task is taken from an answer,
and it must be the name of a task of this worker's own job.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Final

import luigi
from luigi.scheduler import WORKER_STATE_DISABLED
from luigi.task_status import DISABLED, FAILED

from pipeline import plaintext
from pipeline.errors import EnvironmentRefused, ShardmillError, TransientError
from tasks.run import exchange, settings
from tasks.run.exchange import Address, Limits
from tasks.run.handout import Handout
from tasks.run.required import required_by

logger = logging.getLogger("luigi-interface")

Ask = Callable[[Address, str, Mapping[str, object], Limits], Any]
_MOST_DECLINED = 20  # in a row, before the worker looks after its own tasks again
_MOST_NAMED = 20  # declined tasks that are named; there may be any number
_MOST_TIMES = 10  # that a worker takes the same task
_NULLS = 3  # empty answers in a row, which a busy luigid may give
_RE_ENABLING_S = 60.0
_LIMITS = Limits()
IN_PASSING: Final = Limits(silence_s=2.0, answer_s=2.0)
"""Of what no work waits for long."""


class LuigidClient:
    """What Luigi's worker takes for its scheduler; it has that one's methods.

    Args:
        address: host and port of the luigid.
        root: makes the root of the worker's job; the tasks that it requires are the job's.
        say: called with what a person should know at once.
        ask: one exchange with the luigid.

    Attributes:
        given_up: why the worker takes nothing more from this luigid, if so.
    """

    def __init__(
        self,
        address: Address,
        root: Callable[[], luigi.Task],
        say: Callable[[str], None],
        ask: Ask = exchange.ask,
    ) -> None:
        self.given_up: ShardmillError | None = None
        self._address = address
        self._root = root
        self._say = say
        self._ask = ask
        self._scheduled = set[str]()
        self._taken = Counter[str]()
        self._declined = set[str]()
        self._unreported = False  # whether progress is no longer reported

    def add_task(self, **told: Any) -> None:
        """Tell the luigid of a task of this worker, and of its status."""
        if told.get("tracking_url"):  # what its pages show of a running task, and nothing else
            self._tell_in_passing("add_task", told)
            return
        self._scheduled.add(told["task_id"])
        self._request("add_task", told)

    def add_worker(self, worker: str, info: object) -> None:
        """Tell the luigid of this worker."""
        self._request("add_worker", {"worker": worker, "info": info})

    def announce_scheduling_failure(self, **told: Any) -> None:
        """Tell the luigid of a task that cannot be scheduled."""
        self._request("announce_scheduling_failure", told)

    def get_work(self, **asked: Any) -> dict[str, object]:
        """Ask for a task to run.

        Returns:
            An answer of Luigi's form whose task, if any, is one of this worker's job.

        Raises:
            ShardmillError: no answer, or none that a luigid gives.
        """
        for _ in range(_MOST_DECLINED):
            handout = self._handout(asked)
            task_id = handout.task_id
            if handout.batch:
                self._name("several tasks as one")
            if task_id is None:
                return handout.to_answer()
            if not self._is_ours(task_id):
                self._decline(task_id, asked["worker"])
                continue
            self._taken[task_id] += 1
            if self._taken[task_id] > _MOST_TIMES:
                self.given_up = self._repeating(task_id)
                return handout.to_answer(worker_state=WORKER_STATE_DISABLED)
            if task_id in asked["current_tasks"]:
                return handout.to_answer()
            return handout.to_answer(**self._described(task_id))
        return handout.to_answer()

    def ping(self, worker: str) -> dict[str, list[object]]:
        """Tell the luigid that this worker lives; what it wants of the worker is not done."""
        answer = self._ask(self._address, "ping", {"worker": worker}, _LIMITS)
        if isinstance(answer, dict) and answer.get("rpc_messages"):
            self._name("a message to the worker")
        return {"rpc_messages": []}

    def set_task_progress_percentage(self, task_id: str, percentage: float) -> None:
        """Report progress for Luigi's visualiser."""
        told = {"task_id": task_id, "progress_percentage": percentage}
        self._tell_in_passing("set_task_progress_percentage", told)

    def set_task_status_message(self, task_id: str, status_message: str) -> None:
        """Report how far a task is, or what it waits for, in words for the same."""
        told = {"task_id": task_id, "status_message": status_message}
        self._tell_in_passing("set_task_status_message", told)

    def _tell_in_passing(self, method: str, told: Mapping[str, object]) -> None:
        """Tell what only people look at; no task waits long for that, or fails of it."""
        if self._unreported:
            return
        try:
            self._ask(self._address, method, told, IN_PASSING)
        except ShardmillError as error:
            self._unreported = True
            logger.info("%s: nothing more is reported of it (%s)", told["task_id"], error.what)

    def re_enable(self, out: str) -> None:
        """Have what failed too often in an output folder tried again.

        A scheduler lets such a task rest for ``disable_persist`` seconds, whoever asks for it: a
        command that starts when the cause is mended would wait for nothing.

        Raises:
            ShardmillError: no answer, or none that a luigid gives.
        """
        wanted = {"status": DISABLED, "upstream_status": "", "limit": False, "search": out}
        listed = self._request("task_list", wanted)
        if not isinstance(listed, dict):
            found = type(listed).__name__
            raise exchange.refused(self._address, "task_list", "an object", found)
        deadline = time.monotonic() + _RE_ENABLING_S
        for task_id, task in listed.items():
            params = task.get("params") if isinstance(task, dict) else None
            if isinstance(params, dict) and params.get("out") == out:
                self._request("re_enable_task", {"task_id": task_id})
            if time.monotonic() > deadline:
                break

    def _request(
        self, method: str, arguments: Mapping[str, object], limits: Limits = _LIMITS
    ) -> Any:
        """Call a method; a luigid that does not answer is waited for as Luigi's settings say."""
        pause, seconds = self._patience
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self._ask(self._address, method, arguments, limits)
            except TransientError as error:
                if time.monotonic() >= deadline:
                    raise self._lost(error, seconds) from error
                logger.warning("%s (%s): again in %g seconds", error.what, error.found, pause)
            time.sleep(pause)

    def _handout(self, asked: Mapping[str, object]) -> Handout:
        answers = (self._request("get_work", asked) for _ in range(_NULLS))
        answer = next((answer for answer in answers if answer is not None), None)
        try:
            return Handout.from_answer(answer)
        except ValueError as error:
            expected = "a task's name, counts and what others run"
            raise exchange.refused(self._address, "get_work", expected, str(error)) from error

    @cached_property
    def _patience(self) -> tuple[float, float]:
        return settings.luigid_patience()

    @cached_property
    def _of_job(self) -> dict[str, luigi.Task]:
        return required_by(self._root())

    def _is_ours(self, task_id: str) -> bool:
        return task_id in self._scheduled or task_id in self._of_job

    def _described(self, task_id: str) -> dict[str, object]:
        """Describe a task to Luigi's worker: of one it has not scheduled, it makes another."""
        if task_id in self._scheduled:
            return {"task_id": task_id}
        task: Any = self._of_job[task_id]
        family, params = task.task_family, task.to_str_params()
        return {"task_id": task_id, "task_family": family, "task_params": params}

    def _decline(self, task_id: str, worker: object) -> None:
        """Give a task back as failed: one that is only kept would be handed out again at once."""
        self._name(f"the task {plaintext.beginning(task_id)}")
        why = json.dumps("this worker runs only the tasks of its own job")
        told = {"worker": worker, "task_id": task_id, "status": FAILED, "runnable": False}
        told["expl"] = why
        self._request("add_task", told)

    def _name(self, what: str) -> None:
        """Say once what was handed out and is not done."""
        if what in self._declined or len(self._declined) > _MOST_NAMED:
            return
        self._declined.add(what)
        where = f"the luigid at {self._address[0]}:{self._address[1]}"
        if len(self._declined) > _MOST_NAMED:
            self._say(f"{where} hands out more that is not of this job: it is not named here")
        else:
            self._say(f"{where} handed out {what}, which is not of this job: not done")

    def _lost(self, last: TransientError, seconds: float) -> EnvironmentRefused:
        """Return the end of all waiting: another worker would only wait as long again."""
        return EnvironmentRefused(
            f"the luigid at {self._address[0]}:{self._address[1]} has not answered for"
            f" {seconds:g} seconds",
            found=last.found,
            remedy=last.remedy,
        )

    def _repeating(self, task_id: str) -> TransientError:
        return TransientError(
            f"the luigid at {self._address[0]}:{self._address[1]} hands out the same task again"
            " and again",
            place=f"the task {plaintext.beginning(task_id)}",
            found=f"more than {_MOST_TIMES} times",
            remedy="look in the log whether that task fails; if it does not, give --scheduler-host"
            " a luigid of your own, or leave it out to work alone",
        )
