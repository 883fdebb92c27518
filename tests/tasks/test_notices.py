"""What a task waits for reaches the command that it works for."""

from __future__ import annotations

import logging
import os

import pytest

from pipeline import storage
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
