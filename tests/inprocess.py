"""Whole commands in the test's own process: no worker, so what is monkeypatched has an effect."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Self

import click
import luigi
import pytest
from click.testing import CliRunner

from pipeline import storage
from pipeline.errors import ShardmillError
from pipeline.images.prepare import preparation
from pipeline.job.resolve import resolve
from pipeline.sources.openimages.collection import collection_of
from tasks.cli import cli
from tasks.phases import ByEngine, PartOf
from tasks.run.processes import RUN_VARIABLE
from tasks.run.supervisor import Supervisor


@dataclass(frozen=True)
class Ran:
    """How a command ended: its exit status, and both of its streams together."""

    status: int
    said: str


@dataclass
class _Outcome:
    complete: bool
    interrupted: bool
    failures: tuple[ShardmillError, ...]


@dataclass
class _InProcess(Supervisor):
    """Runs the tasks of a job one after another, instead of a worker."""

    failed: list[ShardmillError] = field(default_factory=list)

    def run(self, watch: Callable[[], None], tell: Callable[[str], None]) -> _Outcome:  # type: ignore[override]
        """Run all tasks, or up to the first that is refused."""
        del watch, tell
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(RUN_VARIABLE, self.name)
            try:
                root: Any = self.phase.root(self.job)
                does_it = isinstance(self.phase, (PartOf, ByEngine))
                build([root] if does_it else flattened(root.requires()))
            except ShardmillError as error:
                self.failed.append(error)
        return _Outcome(self.phase.is_complete(self.job), False, tuple(self.failed))


class PoolHere:
    """A pool of processes that is this one, and that does at once what is submitted."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def submit(self, function: Callable[..., Any], *given: object, **named: object) -> Future[Any]:
        future = Future[Any]()
        try:
            future.set_result(function(*given, **named))
        except Exception as error:  # noqa: BLE001 - as a pool does
            future.set_exception(error)
        return future

    def shutdown(self, **_: object) -> None: ...


def in_this_process(patch: pytest.MonkeyPatch) -> None:
    """Have commands start no other process for their tasks and checks."""
    patch.setattr("tasks.cli.how.Supervisor", _InProcess)
    patch.setattr("tasks.run.standby.POSSIBLE", [False])
    patch.setattr("tasks.cli.checks.ProcessPoolExecutor", PoolHere)
    patch.setattr("tasks.engines.processes.ProcessPoolExecutor", PoolHere)


def verify(monkeypatch: pytest.MonkeyPatch, *words: object) -> Ran:
    """Run ``shardmill verify`` in this process, with all of its checks."""
    monkeypatch.setattr("tasks.cli.checks.ProcessPoolExecutor", PoolHere)
    return shardmill(monkeypatch, "verify", *words)


def build(tasks: Iterable[Any], done: set[str] | None = None) -> None:
    """Run tasks of Luigi one after another, each behind what it requires."""
    done = set() if done is None else done
    for task in tasks:
        if task.task_id not in done and not task.complete():
            build(flattened(task.requires()), done)
            for needed in task.run() or ():  # tasks that only it knows
                build(flattened(needed), done)
        done.add(task.task_id)


def flattened(tasks: Any) -> list[Any]:
    """Return tasks that are nested in whatever Luigi takes."""
    flatten: Any = luigi.task.flatten
    found: list[Any] = flatten(tasks)
    return found


def forget() -> None:
    """Forget what earlier commands of this process have resolved."""
    resolve.cache_clear()
    collection_of.cache_clear()
    preparation.cache_clear()
    storage.renew()


def shardmill(monkeypatch: pytest.MonkeyPatch, *words: object, answer: str = "") -> Ran:
    """Run a ``shardmill`` command in this process; its worker's tasks, too."""
    forget()
    monkeypatch.setattr("tasks.cli.how.Supervisor", _InProcess)
    monkeypatch.setattr("tasks.run.standby.POSSIBLE", [False])
    monkeypatch.setattr("tasks.engines.processes.ProcessPoolExecutor", PoolHere)
    result = CliRunner().invoke(cli, [*map(str, words)], input=answer, standalone_mode=False)
    said, error = result.output, result.exception
    if isinstance(error, ShardmillError):
        return Ran(error.exit_status, f"{said}shardmill: {error}\n")
    if isinstance(error, click.ClickException):
        return Ran(error.exit_code, f"{said}Error: {error.format_message()}\n")
    if error is not None:
        raise error
    return Ran(result.return_value if isinstance(result.return_value, int) else 0, said)
