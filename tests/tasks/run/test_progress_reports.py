"""What a running task tells: the command by a counter, Luigi's visualiser by a percentage."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import Mock

import pytest
from support import RawSet

from pipeline import paths, storage
from pipeline.errors import from_record
from pipeline.job.resolve import resolve
from pipeline.state import progress
from pipeline.storage import waiting
from tasks import VerifyArchive
from tasks.cli.bars import Bar, Rates
from tasks.cli.display import Lines
from tasks.cli.observer import Observer
from tasks.run.processes import RUN_VARIABLE

RUN = "20260101-000000-host-abcdef"


@pytest.fixture
def task(small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch) -> VerifyArchive:
    monkeypatch.setenv(RUN_VARIABLE, RUN)
    job = small.job(out)
    archive = resolve(job).dataset.archives["train"]
    return VerifyArchive(out=str(out), archive=archive.file, md5=archive.md5, job=job)


def test_a_task_tells_luigi_its_percentage(task: VerifyArchive) -> None:
    task.set_progress_percentage = Mock()
    with task.counter(200, "bytes") as report:
        report(50)
    task.set_progress_percentage.assert_called_once_with(25.0)


def test_a_task_outside_luigi_only_counts(task: VerifyArchive, out: Path) -> None:
    with task.counter(200, "bytes") as report:
        report(50)
        (count,) = progress.counts(out, RUN)
        assert (count.step, count.done, count.total, count.unit) == ("verify", 50, 200, "bytes")
    assert progress.counts(out, RUN) == []


def test_percentages_are_not_told_more_than_twice_a_second(task: VerifyArchive) -> None:
    task.set_progress_percentage = Mock()
    with task.counter(1000, "bytes") as report:
        for done in range(1000):
            report(done)
    assert task.set_progress_percentage.call_count < 1000


@pytest.mark.parametrize(
    ("unit", "said"),
    [("bytes", "100 B of 200 B, 20 B/s"), ("images", "100 of 200 images, 20 images/s")],
)
def test_luigis_pages_say_how_fast_a_long_task_is_and_lead_to_its_log(
    unit: str, said: str, task: VerifyArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("pipeline.state.progress.time.monotonic", lambda: now[0])
    task.set_status_message, task.set_tracking_url = Mock(), Mock()
    with task.counter(200, unit) as report:
        for seconds in (1, 5, 6):
            now[0] = 100.0 + seconds
            report(20 * seconds)
    task.set_status_message.assert_called_once_with(said)
    log = paths.run_log(task.folder, RUN)
    task.set_tracking_url.assert_called_once_with(f"file://{storage.host_name()}{log}")


def test_luigis_pages_say_what_a_task_waits_for(
    task: VerifyArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    task.set_status_message, task.set_tracking_url = Mock(), Mock()

    def wait() -> None:
        waiting.say_tries("a server", "no answer", 1, 2, 3.0)

    monkeypatch.setattr(task, "make", wait)
    task.run()
    waiting.say_tries("a server", "no answer", 2, 2, 3.0)  # of nobody's task
    (said,) = task.set_status_message.call_args_list
    assert said.args[0].startswith("a server: no answer; try 1 of 2")


def test_what_is_verified_is_shown_with_rate_and_time_left(
    task: VerifyArchive, small: RawSet, out: Path
) -> None:
    observer = Observer(resolve(small.job(out)), RUN)
    counts = iter([10_000_000, 30_000_000])
    bars = []
    for now in (0.0, 2.0):
        with task.counter(70_000_000, "bytes") as report:
            report(next(counts))
            bars.append(observer.bars(now)[0])
    assert bars[1].name == f"verify {task.archive}"
    assert bars[1].figures == ("30.00 MB of 70.00 MB", "10.00 MB/s", "0:04 left")


def test_a_finished_step_is_said_once_and_one_at_work_each_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = Lines()
    for done in (50, 100, 100, 100):
        lines.say([Bar("verify a", done, 100, "bytes"), Bar("train", 3, 7, "images")])
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if "verify" in line] == [
        "verify a: 50 B of 100 B",
        "verify a: 100 B of 100 B",
    ]
    assert sum("train" in line for line in said) == 4


def test_memory_that_runs_out_is_no_defect_of_the_program(
    task: VerifyArchive, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "make", Mock(side_effect=MemoryError))
    with pytest.raises(MemoryError):
        task.run()
    (record,) = storage.documents(paths.run_failures(out, RUN))
    error = from_record(json.loads(storage.read_bytes(record)))
    assert "memory ran out" in error.what
    assert "--workers" in str(error.remedy)


def test_rates_are_of_the_last_half_minute() -> None:
    rates = Rates()
    for second in range(100):
        rate = rates.rate("shards", float(second), 10.0 * second if second < 60 else 600.0)
    assert rate == 0.0
