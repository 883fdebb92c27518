"""A process that stands by: it becomes a worker when it is told, and else ends with its command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.run import standby as standing
from tasks.run import worker
from tasks.run.processes import PARENT_VARIABLE, REPORT_VARIABLE, RUN_VARIABLE, report
from tasks.run.standby import ForkedProcess, Standby, standing_by

_PATIENCE_S = 30.0
_SAID = "runs, with words and a log"


@pytest.fixture
def standby(monkeypatch: pytest.MonkeyPatch) -> Iterator[Standby]:
    """One whose work is to say what it was told."""
    monkeypatch.setattr(worker, "main", work)
    standby = Standby()
    yield standby
    standby.dismiss()


def work() -> int:
    """Say what a worker is told, to its log and to its command."""
    environment = [os.environ.get(name) for name in (RUN_VARIABLE, PARENT_VARIABLE)]
    os.write(1, f"{_SAID}: {sys.argv[1:]} {environment}".encode())
    os.write(2, os.read(0, 1) or b" no input")
    report(f"{os.getsid(0) == os.getpid()} {signal.getsignal(signal.SIGTERM)}".encode())
    return 7


def told(standby: Standby, log: Path) -> tuple[ForkedProcess | None, int]:
    """Tell it to work; return its process and the end of the pipe that it reports to."""
    reading, writing = os.pipe()
    with log.open("wb") as stream:
        process = standby.become_worker(["one", "two"], "a-run", stream.fileno(), writing)
    os.close(writing)
    return process, reading


def test_it_becomes_a_worker_with_words_a_log_and_a_line_to_its_command(
    standby: Standby, tmp_path: Path
) -> None:
    process, reading = told(standby, tmp_path / "log")
    assert process is not None
    assert process.wait(_PATIENCE_S) == 7
    said = f"{_SAID}: ['one', 'two'] ['a-run', '{os.getpid()}'] no input"
    assert (tmp_path / "log").read_text() == said
    assert os.read(reading, 100) == f"True {signal.SIG_DFL}\n".encode()
    os.close(reading)
    assert REPORT_VARIABLE not in os.environ


def test_what_a_defect_raises_is_in_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "main", lambda: 1 // 0)
    monkeypatch.setattr(sys, "stderr", os.fdopen(2, "w", closefd=False))  # not the test's own
    process, reading = told(Standby(), tmp_path / "log")
    os.close(reading)
    assert process is not None
    assert process.wait(_PATIENCE_S) == 1
    assert "ZeroDivisionError" in (tmp_path / "log").read_text()


def test_a_dead_one_becomes_no_worker(standby: Standby, tmp_path: Path) -> None:
    os.kill(process_of(standby).pid, signal.SIGKILL)
    assert process_of(standby).wait(_PATIENCE_S) == -signal.SIGKILL
    process, reading = told(standby, tmp_path / "log")
    os.close(reading)
    assert process is None


def test_none_becomes_two_workers(standby: Standby, tmp_path: Path) -> None:
    for is_first in (True, False):
        process, reading = told(standby, tmp_path / "log")
        os.close(reading)
        assert (process is not None) == is_first
        if process is not None:
            process.wait(_PATIENCE_S)


def test_one_that_was_not_told_ends_with_the_context(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "POSSIBLE", [True])
    with standing_by(is_wanted=True) as standby:
        assert standby is not None
        process = process_of(standby)
        assert process.poll() is None
    assert process.returncode == -signal.SIGKILL


def test_one_ends_when_nobody_can_tell_it_any_more(standby: Standby) -> None:
    line = standby._line
    assert line is not None
    line.close()
    assert process_of(standby).wait(_PATIENCE_S) == 0


def test_there_is_none_where_none_is_wanted_or_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    for is_wanted, is_possible in ((False, True), (True, False)):
        monkeypatch.setattr(standing, "POSSIBLE", [is_possible])
        with standing_by(is_wanted=is_wanted) as standby:
            assert standby is None


def test_a_process_is_waited_for_no_longer_than_that(standby: Standby) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        process_of(standby).wait(0.0)


def process_of(standby: Standby) -> ForkedProcess:
    return standby._process
