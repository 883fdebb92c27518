"""The process of an assistant: asked to end it drains, and what takes too long is killed."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from assisted import Assistant, Command, failures, families, luigid, planned, undisturbed
from fakeluigid import InProcess
from support import RawSet

from pipeline.errors import InputRefused, ShardmillError
from pipeline.job.options import Job
from pipeline.plaintext import Lines
from tasks.run import draining
from tasks.run.assistant import worker


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed(monkeypatch)


@pytest.fixture
def ask() -> InProcess:
    return luigid()


@pytest.fixture
def job(small: RawSet, out: Path) -> Job:
    return planned(small, out)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains(job: Job, ask: InProcess, number: signal.Signals) -> None:
    assistant = Assistant([job], ask)
    with worker._draining_on_signals(assistant.worker, 100.0):
        assert not draining.is_asked()
        os.kill(os.getpid(), number)
        assert draining.is_asked()
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        os.kill(os.getpid(), number)  # the command has heard it, too, and passes it on
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= left
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert assistant.worker._get_work().task_id is None
    assert ask.asked == []


def test_what_takes_longer_than_it_may_is_interrupted(job: Job, ask: InProcess) -> None:
    assistant = Assistant([job], ask)
    with worker._draining_on_signals(assistant.worker, 0.01):
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(worker._OutOfTimeError):
            time.sleep(60)


def test_a_signal_to_a_task_is_none_to_it(job: Job, ask: InProcess) -> None:
    """Whoever stops a host sends a signal to all processes."""
    with worker._draining_on_signals(Assistant([job], ask).worker, 100.0):
        pid = os.fork()
        if pid == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        assert not draining.is_asked()


class Process:
    """A task at work."""

    def __init__(self) -> None:
        self.done = list[str]()

    def kill(self) -> None:
        self.done.append("kill")

    def join(self, _: float) -> None:
        self.done.append("join")


def test_what_is_cut_off_is_killed_and_then_given_back(job: Job, ask: InProcess) -> None:
    Command(job, ask)
    assistant, process = Assistant([job], ask), Process()
    task_id = assistant.ask_for_work()["task_id"]
    assistant.worker._running_tasks[task_id] = process
    assert assistant.worker.cut_off()
    assert process.done == ["kill", "join"]
    assert "WriteShards" not in families(ask, "RUNNING")
    assert failures(ask) == 0


def test_a_luigid_that_is_gone_does_not_hold_the_end(job: Job, ask: InProcess) -> None:
    Command(job, ask)
    assistant, process = Assistant([job], ask), Process()
    assistant.worker._running_tasks[assistant.ask_for_work()["task_id"]] = process

    def gone(*_: object) -> None:
        raise ShardmillError("no answer")

    assistant.client._ask = gone
    assert assistant.worker.cut_off()
    assistant.client.withdraw("assistant")
    assert process.done == ["kill", "join"]


def test_a_job_that_means_something_else_here_is_not_begun(job: Job) -> None:
    with pytest.raises(ShardmillError, match="was changed while the command was at work"):
        worker._run({job: "0" * 12}, 1, 5.0, ("nowhere", 1))


def test_why_a_job_is_left_is_reported_in_a_line_that_a_pipe_takes_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reported = list[bytes]()
    monkeypatch.setattr(worker, "report", reported.append)
    many = Lines.of(f"archive {number}" for number in range(2000))
    error: Any = InputRefused("archives are not there", file="/raw", expected=many)
    worker._report_left(3, error)
    (line,) = reported
    assert line.startswith(worker.LEFT)
    place, _, record = line.removeprefix(worker.LEFT).partition(b" ")
    told = json.loads(record)
    assert (place, told["what"], told["file"]) == (b"3", error.what, "/raw")
