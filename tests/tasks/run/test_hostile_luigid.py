"""Whole commands at a luigid that somebody else can reach, or that is none."""

from __future__ import annotations

import socket
import subprocess
import threading
from itertools import count
from pathlib import Path
from typing import Any, Self

import forked
import pytest
from daemons import Luigid
from fakeluigid import page, response, serving
from support import RawSet, shardmill

from tasks.archives import CheckInputs
from tasks.cli import report
from tasks.run import exchange
from tasks.run.exchange import Address
from tasks.run.supervisor import Outcome, Supervisor


@pytest.fixture(autouse=True)
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a supervisor in this process start its worker as a fork."""
    monkeypatch.setattr(subprocess, "Popen", forked.ForkedPopen)


class Poster:
    """Posts tasks for every worker that a luigid knows, ahead of what that has to do."""

    def __init__(self, address: Address, tasks: list[dict[str, object]]) -> None:
        self.workers = set[str]()
        self._address = address
        self._tasks = tasks
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._post, daemon=True)

    def _post(self) -> None:
        while not self._over.wait(0.02):
            known = exchange.ask(self._address, "worker_list", {"include_running": False})
            for worker in {each["name"] for each in known} - self.workers:
                self.workers.add(worker)
                for task in self._tasks:
                    told = task | {"worker": worker, "priority": 10**6}
                    exchange.ask(self._address, "add_task", told)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.usefixtures("hurried")
def test_a_poster_at_a_luigid_runs_nothing_and_stops_nothing(
    small: RawSet, out: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    foreign: Any = CheckInputs(out=str(elsewhere), digest="0" * 64, job=small.job(elsewhere))
    params = foreign.to_str_params()
    tasks = [
        {"task_id": foreign.task_id, "family": "CheckInputs", "params": params, "module": "tasks"},
        {"task_id": "Posted", "family": "Posted", "params": {}, "module": "no.such.module"},
    ]
    where = ("--raw", small.raw, "--config", small.config, "--out", out, "--until", "lists")
    with Luigid(tmp_path) as luigid:
        host, port = luigid.address.split(":")
        with Poster((host, int(port)), tasks) as poster:
            run = shardmill("imagenet", *where, "--workers", 2, "--scheduler-host", luigid.address)
    assert run.returncode == 0, run.stdout + run.stderr
    assert poster.workers
    for task_id in (str(foreign.task_id)[:40], "the task Posted,"):
        (line,) = (line for line in run.stderr.splitlines() if task_id in line)
        assert luigid.address in line
    assert list(elsewhere.iterdir()) == []
    assert "Traceback" not in "".join(log.read_text() for log in out.rglob("*.log"))


@pytest.mark.usefixtures("hurried")
def test_what_is_no_luigid_ends_a_command_with_a_message(
    small: RawSet, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = small.job(out, steps=("verify",))
    with serving(page(b"<html>It works!</html>")) as (host, port):
        supervisor = Supervisor(job, 1, (host, port))
        outcome = supervisor.run(lambda: None, lambda _: None)
    assert report.failure(supervisor, outcome) == 1
    said = capsys.readouterr().err
    assert f"what answers at {host}:{port} is not a luigid" in said
    assert "Traceback" not in said + supervisor.log.read_text()
    alone = Supervisor(job, 1)  # what the remedy says
    assert alone.run(lambda: None, lambda _: None).complete


@pytest.mark.usefixtures("hurried")
def test_a_luigid_that_invents_tasks_for_ever_holds_no_command(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.run.supervisor._PATIENCE_S", 2.0)
    numbers, said = count(), list[str]()
    work = {"running_tasks": [], "n_pending_tasks": 1, "n_unique_pending": 1}

    def reply(connection: socket.socket) -> None:
        response({**work, "task_id": f"Posted{next(numbers)}"})(connection)

    with serving(reply) as address:
        supervisor = Supervisor(small.job(out, steps=("verify",)), 1, address)
        outcome = supervisor.run(lambda: None, said.append)
    assert outcome == Outcome(complete=False, interrupted=False, failures=())
    assert "the task Posted" in said[0]
    assert len(supervisor.log.read_bytes()) < 1_000_000
