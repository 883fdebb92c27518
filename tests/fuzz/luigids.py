"""Answers of a luigid for work, and what becomes of them."""

from __future__ import annotations

import json
from pathlib import Path

from luigi.scheduler import Scheduler

from pipeline.errors import EnvironmentRefused
from tasks.run import exchange
from tasks.run.handout import Handout

_ADDRESS = ("luigid", 8082)
_KNOWN = {"task_id", "running_tasks", "worker_state", "n_pending_tasks", "n_unique_pending"}
_KNOWN |= {"n_pending_last_scheduled"}


def answers() -> tuple[bytes, ...]:
    """Return what Luigi's own scheduler answers: two tasks, and none."""
    luigid = Scheduler()  # type: ignore[no-untyped-call]
    for name in ("a", "b"):
        luigid.add_task(worker="w", task_id=f"Task_{name}", family="Task", params={"out": "/ö"})
    work = [luigid.get_work(worker="w", host="h") for _ in range(3)]
    return tuple(json.dumps({"response": each}).encode() for each in work)


def try_answer(data: bytes, _: Path) -> None:
    """Only fields that are known reach the worker, of the types that it expects."""
    answer = exchange.read_answer(_ADDRESS, "get_work", data)
    try:
        given = Handout.from_answer(answer).to_answer()
    except ValueError as error:
        raise EnvironmentRefused(str(error)) from error
    assert set(given) == _KNOWN
    assert given["task_id"] is None
    assert given["worker_state"] in {"active", "disabled"}
    assert all(type(given[name]) is int for name in _KNOWN if name.startswith("n_"))
