"""Hosts that a luigid has not heard of for a while are named, whatever it answers."""

from __future__ import annotations

from typing import Any

import pytest
from fakeluigid import InProcess
from luigi.task_status import RUNNING

from pipeline.errors import TransientError
from tasks.run import silent_hosts
from tasks.run.silent_hosts import SilentHosts

ADDRESS = ("luigid", 8082)
OUT = "/data/out"


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is, for whoever asks."""
    now = [1000.0]
    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


def at_work(luigid: InProcess, host: str, out: str = OUT) -> None:
    """Have a worker of a host run a task of an output folder."""
    luigid(ADDRESS, "add_worker", {"worker": f"worker of {host}", "info": {"host": host}})
    told = {"worker": f"worker of {host}", "task_id": f"task of {host}", "params": {"out": out}}
    luigid(ADDRESS, "add_task", {**told, "status": RUNNING})


def test_a_host_that_falls_silent_is_named_once(clock: list[float]) -> None:
    luigid = InProcess()
    hosts = SilentHosts(ADDRESS, OUT, luigid)
    for host in ("a", "b"):
        at_work(luigid, host)
    at_work(luigid, "of another job", "/data/other")
    said = []
    for _ in range(5):
        clock[0] += 10
        luigid(ADDRESS, "ping", {"worker": "worker of a"})
        said.append(hosts.fallen_silent())
    line = "host b silent for 40 s: other hosts take over what it was doing"
    assert said == [[], [], [], [line], []]
    luigid(ADDRESS, "ping", {"worker": "worker of b"})
    for _ in range(4):
        clock[0] += 10
        luigid(ADDRESS, "ping", {"worker": "worker of a"})
        said.append(hosts.fallen_silent())
    assert said[5:] == [[], [], [], [line]]


def test_it_is_asked_every_ten_seconds(clock: list[float]) -> None:
    luigid = InProcess()
    hosts = SilentHosts(ADDRESS, OUT, luigid)
    for _ in range(60):
        clock[0] += 1
        hosts.fallen_silent()
    assert luigid.asked.count("worker_list") == 6


def worker(**fields: Any) -> dict[str, Any]:
    running = {"task": {"params": {"out": OUT}}}
    return {"host": "b", "last_active": 1.0, "running": running, **fields}


NOW = worker(host="a", last_active=1000.0)


@pytest.mark.parametrize(
    "answer",
    [
        *(None, [], {}, "text", [1, None], [{}], [NOW]),
        [NOW, worker(last_active="1")],
        [NOW, worker(last_active=True)],
        [NOW, worker(last_active=float("nan"))],
        [worker(last_active=float("inf")), NOW],
        [NOW, worker(running=[1])],
        [NOW, worker(running={"task": None})],
        [NOW, worker(running={"task": {"params": [OUT]}})],
    ],
)
def test_an_answer_that_no_luigid_gives_is_passed_over(answer: object) -> None:
    assert SilentHosts(ADDRESS, OUT, lambda *_: answer).fallen_silent() == []


def test_what_a_luigid_calls_a_host_is_shown_as_text_and_not_at_any_length() -> None:
    answer = [NOW, worker(host="\x1b[2J" + "x" * 10_000), worker(host={"a": 1})]
    first, second = SilentHosts(ADDRESS, OUT, lambda *_: answer).fallen_silent()
    assert "\x1b" not in first
    assert len(first) < 500
    assert "host {'a': 1} silent" in second


def test_however_many_hosts_there_are_few_are_named() -> None:
    answer = [NOW, *(worker(host=f"b{number}") for number in range(1000))]
    assert len(SilentHosts(ADDRESS, OUT, lambda *_: answer).fallen_silent()) == 20


def test_a_luigid_that_does_not_answer_is_said_elsewhere() -> None:
    def ask(*_: object) -> None:
        raise TransientError("no answer")

    assert SilentHosts(ADDRESS, OUT, ask).fallen_silent() == []
    assert silent_hosts._EVERY_S > 0
