"""Counters of running tasks, timings of finished ones."""

from __future__ import annotations

import os
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from pipeline import paths, storage
from pipeline.state import progress
from pipeline.state.progress import Count, Counter, StepTiming, Timing

RUN = "20120101-000000-host-abc"


def timing(step: str, start: float, end: float, images: int = 10) -> Timing:
    return Timing(step, f"{step} {start}", start, end, images, 1000 * images)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The clock, which stands at 100 s until it is set."""
    clock = Mock(return_value=100.0)
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


class TestCounter:
    def test_says_how_far_a_task_is_until_it_is_closed(self, out: Path) -> None:
        counter = Counter(out, RUN, "shards", "train 3", 1251, "images")
        assert progress.counts(out, RUN) == []
        assert counter.update(64)
        assert progress.counts(out, RUN) == [Count("shards", "train 3", 64, 1251, "images")]
        counter.close()
        assert progress.counts(out, RUN) == []
        counter.close()

    def test_is_published_twice_a_second_at_most(self, out: Path, clock: Mock) -> None:
        counter = Counter(out, RUN, "verify", "train.tar", 100, "bytes")
        published = []
        for done in range(8):
            clock.return_value = 100 + done / 4
            published.append(counter.update(done))
        assert published == [True, False] * 4
        assert [count.done for count in progress.counts(out, RUN)] == [6]

    def test_that_is_half_gone_or_of_another_version_is_passed_over(
        self, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Counter(out, RUN, "shards", "train 3", 10, "images").update(1)
        folder = paths.run_counters(out, RUN)
        for name, content in (("a", b'{"step": "sh'), ("b", b'{"speed": 3}'), ("c", b"5")):
            storage.write_unsynced(folder / f"{name}.json", content)
        listing = storage.sizes(folder) | {"ended.json": 10, ".x.host-1-01234567.tmp": 3}
        monkeypatch.setattr(storage, "sizes", Mock(return_value=listing))
        assert [count.name for count in progress.counts(out, RUN)] == ["train 3"]


class TestTimings:
    def test_come_back_in_the_order_in_which_tasks_ended(self, out: Path) -> None:
        ended = [timing("verify", 1.5, 3.25), timing("shards", 2.0, 2.5)]
        assert progress.timings(out, RUN) == []
        for task in ended:
            progress.note(out, RUN, task)
        assert progress.timings(out, RUN) == ended

    def test_pass_over_lines_that_were_cut_off_or_of_another_version(self, out: Path) -> None:
        progress.note(out, RUN, timing("verify", 1, 2))
        path = paths.run_timings(out, RUN)
        for line in (b'{"step": "verify", "na', b'{"speed": 3}', b"[1]", b"5"):
            storage.append_line(path, line)
        progress.note(out, RUN, timing("shards", 2, 3))
        assert [task.step for task in progress.timings(out, RUN)] == ["verify", "shards"]

    def test_are_summed_by_step_from_the_first_start_to_the_last_end(self) -> None:
        found = progress.by_step(
            [timing("shards", 5, 9, 30), timing("verify", 1, 4, 0), timing("shards", 4, 6, 12)]
        )
        assert found == [
            StepTiming("verify", 1, 3.0, 0, 0),
            StepTiming("shards", 2, 5.0, 42, 42_000),
        ]

    def test_give_a_rate_however_short_the_step(self) -> None:
        (step,) = progress.by_step([timing("plan", 7, 7)])
        assert step.images / step.seconds > 0


class TestRuns:
    def test_the_latest_is_the_one_that_finished_a_task_last(self, out: Path) -> None:
        assert progress.latest_run(out) is None
        for number, run in enumerate(("b", "c", "a")):
            progress.note(out, run, timing("plan", 0, 1))
            os.utime(paths.run_timings(out, run), ns=(number, number))
        (paths.run(out, "idle") / "counters").mkdir(parents=True)
        assert progress.latest_run(out) == "a"

    def test_activity_changes_when_any_of_them_gets_further(self, out: Path) -> None:
        seen = [progress.activity(out)]
        progress.note(out, "one", timing("plan", 0, 1))
        seen.append(progress.activity(out))
        Counter(out, "two", "shards", "train 3", 10, "images").update(1)
        seen.append(progress.activity(out))
        progress.note(out, "two", timing("plan", 0, 1))
        seen.append(progress.activity(out))
        assert len(set(seen)) == 4
        assert progress.activity(out) == seen[-1]


def test_only_counters_are_cleared(tmp_path: Path) -> None:
    folder = paths.run_counters(tmp_path, RUN)
    Counter(tmp_path, RUN, "step", "name", 1, "images").update(1)
    (folder / "mynotes.txt").write_text("precious")
    assert len(storage.sizes(folder)) == 2
    progress.clear_counters(tmp_path, RUN)
    assert list(storage.sizes(folder)) == ["mynotes.txt"]
