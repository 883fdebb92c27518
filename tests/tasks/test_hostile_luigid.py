"""Whole commands at a luigid that somebody else can reach, or that is none."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Self

import pytest
from daemons import Luigid
from fakeluigid import page, serving
from support import RawSet, shardmill

from tasks import exchange
from tasks.archives import CheckInputs
from tasks.exchange import Address


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
    for task_id in (str(foreign.task_id)[:40], "'Posted'"):
        (line,) = (line for line in run.stderr.splitlines() if task_id in line)
        assert luigid.address in line
    assert list(elsewhere.iterdir()) == []
    assert "Traceback" not in "".join(log.read_text() for log in out.rglob("*.log"))


@pytest.mark.usefixtures("hurried")
def test_what_is_no_luigid_ends_a_command_with_a_message(small: RawSet, out: Path) -> None:
    where = ("--raw", small.raw, "--config", small.config, "--out", out, "--until", "lists")
    with serving(page(b"<html>It works!</html>")) as (host, port):
        run = shardmill("imagenet", *where, "--scheduler-host", f"{host}:{port}")
    assert run.returncode == 1
    assert f"what answers at {host}:{port} is not a luigid" in run.stderr
    (log,) = out.rglob("*.log")
    assert "Traceback" not in run.stderr + log.read_text()
    again = shardmill("imagenet", *where)  # what the remedy says
    assert again.returncode == 0, again.stderr
