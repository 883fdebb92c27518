"""A command and an assistant at one scheduler, in the process of a test, without any waiting."""

from __future__ import annotations

import itertools
import mmap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from fakeluigid import InProcess
from finishedoutputs import prepared
from inprocess import forget
from luigi.scheduler import Scheduler
from support import RawSet

from pipeline import paths
from pipeline.job.artifacts import INPUTS
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.state import assisting
from tasks.artifact_tasks import tasks_of
from tasks.phases import PREPARING
from tasks.run.assistant import client, worker
from tasks.run.assistant.client import AssistantClient
from tasks.run.assistant.worker import AssistantWorker
from tasks.run.local_scheduler import PlainWorker
from tasks.run.luigid import LuigidClient

ADDRESS = ("luigid", 8082)
TRAIN = ("--split", "train", "--no-boxes")
SPLIT = {"splits": ("train",), "boxes": False}


def luigid() -> InProcess:
    """A scheduler that counts every failure, and tries none again."""
    usual: Any = Scheduler
    return InProcess(usual(retry_delay=1000.0, prune_on_get_work=True, retry_count=1))


class Command:
    """A worker of a command, which schedules its job."""

    def __init__(self, job: Job, ask: InProcess, name: str = "command") -> None:
        self.said = list[str]()
        self.luigid = ask
        root: Any = PREPARING.root(job)
        self.client = LuigidClient(ADDRESS, lambda: root, self.said.append, ask)
        self.worker: Any = PlainWorker(  # type: ignore[no-untyped-call]
            scheduler=self.client,
            worker_id=name,
            no_install_shutdown_handler=True,
            wait_interval=0.01,
            wait_jitter=0.0,
            force_multiprocessing=False,
        )
        schedule: Any = self.worker.add
        schedule(root)


class Assistant:
    """An assistant of jobs; its clock goes on by ten seconds whenever it is looked at."""

    def __init__(self, jobs: Iterable[Job], ask: Callable[..., Any], step_s: float = 10.0) -> None:
        self.said = list[str]()
        self.ticks = itertools.count(0.0, step_s)
        clock = lambda: next(self.ticks)  # noqa: E731
        self.client = AssistantClient(ADDRESS, tuple(jobs), self.said.append, ask, clock)
        self.worker: Any = AssistantWorker(self.client, 1)
        self.worker._id = "assistant"
        self.worker._config.wait_interval = 0.001
        self.worker._config.wait_jitter = 0.0
        self.worker._config.keep_alive = True
        self.worker._config.force_multiprocessing = False  # whatever another test has read

    def ask_for_work(self) -> dict[str, Any]:
        return self.client.get_work(worker="assistant", host="here", current_tasks=[])

    def work(self) -> None:
        self.worker.run()
        self.client.withdraw("assistant")


def tasks(ask: InProcess, status: str) -> dict[str, Any]:
    """Return the tasks that a scheduler has with a status."""
    listed: dict[str, Any] = ask(ADDRESS, "task_list", {"status": status, "upstream_status": ""})
    return listed


def families(ask: InProcess, status: str) -> set[str]:
    """Return what kinds of tasks a scheduler has with a status."""
    return {name.partition("_")[0] for name in tasks(ask, status)}


def failures(ask: InProcess) -> int:
    """Return how many failures of tasks a scheduler has counted."""
    state = ask.scheduler._state
    return sum(task.num_failures() for task in state.get_active_tasks())


def planned(raw_set: RawSet, out: Path, *more: object, **options: object) -> Job:
    """Have an output whose shards are planned; return the job that writes them."""
    prepared(raw_set, out, *TRAIN, *more, "--until", "plan")
    forget()
    for record in paths.jobs(out).iterdir():
        record.unlink()  # of the job that only planned
    job = raw_set.job(out, **(SPLIT | options))
    resolved = resolve(job)
    assisting.keep_terms(resolved)
    for task in tasks_of(resolved, [INPUTS]):
        task.run()
    return job


def undisturbed(patch: pytest.MonkeyPatch) -> None:
    """Have the worker of this process be no other's: its flag, its run, and no pauses."""
    patch.setattr("tasks.run.draining._FLAG", [mmap.mmap(-1, 1)])
    patch.setattr(client, "_LOOK_AGAIN_S", 0.0)
    patch.setenv("SHARDMILL_RUN", "20010203-040506-host-012345-worker")
    patch.setattr(worker, "report", lambda _: None)
