"""What a task waits for reaches the command that it works for."""

from __future__ import annotations

import logging
import os

import pytest

from pipeline import storage
from pipeline.storage import waiting
from tasks.run.notices import Notices
from tasks.run.processes import NOTICE, REPORT_VARIABLE, notice_waits


def test_for_whom_a_task_waits_is_said_by_its_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    monkeypatch.setenv(REPORT_VARIABLE, str(writing))
    logger = logging.getLogger(storage.WAITS)
    before = list(logger.handlers)
    notice_waits()
    try:
        logger.warning("waiting for %s", "run.lock")
        assert os.read(reading, 100) == NOTICE + b"waiting for run.lock\n"
    finally:
        logger.handlers[:] = before
        os.close(reading)
        os.close(writing)
    assert capsys.readouterr().err == "waiting for run.lock\n"


def test_what_each_worker_says_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("tasks.run.notices.time.monotonic", lambda: now[0])
    notices = Notices()
    tries = "https://host/x: no connection; try {} of 9, given up at about 12:00:0{}"
    assert notices.is_new("waiting for run.lock")
    assert notices.is_new(tries.format(4, 1))
    assert not notices.is_new(tries.format(5, 2))
    assert notices.is_new(tries.format(4, 1).replace("host", "other"))
    now[0] += waiting.SAY_AGAIN_S
    assert notices.is_new(tries.format(6, 3))
    assert not notices.is_new("waiting for run.lock")
