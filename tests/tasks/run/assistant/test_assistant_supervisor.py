"""What the command makes of its worker: which jobs it has left, and why it ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import RawSet

from pipeline.errors import InputRefused, ShardmillError
from pipeline.job.options import Job
from tasks.run.assistant.supervisor import AssistantSupervisor
from tasks.run.assistant.worker import CUT_OFF, LEFT


class Worked(AssistantSupervisor):
    """A supervisor whose workers end as they are told, having reported some lines."""

    def work(self, *ends: tuple[int, tuple[bytes, ...]]) -> None:
        self.ends, self.launched = list(ends), list[tuple[Job, ...]]()

    def _work(self, *_: object) -> int:
        self._taken = tuple(job for job in self.jobs if job not in self._left)
        self.launched.append(self._taken)
        status, lines = self.ends.pop(0)
        for line in lines:
            self._hear(line, print)
        return status


def left(place: int, what: str) -> bytes:
    return LEFT + f"{place} {json.dumps(InputRefused(what).to_record())}".encode()


@pytest.fixture
def jobs(small: RawSet, tmp_path: Path) -> tuple[Job, ...]:
    names = ("a", "b", "c")
    return tuple(small.job(tmp_path / name, splits=("train",), boxes=False) for name in names)


@pytest.fixture
def worked(jobs: tuple[Job, ...]) -> Worked:
    return Worked(jobs[0], 1, ("nowhere", 1), jobs=jobs)


def test_a_worker_that_has_left_a_job_is_followed_by_one_without_it(
    worked: Worked, jobs: tuple[Job, ...]
) -> None:
    worked.work((0, (left(1, "not there"),)), (0, (left(1, "nor there"),)), (0, ()))
    assisted = worked.assist(lambda: None, print)
    a, b, c = jobs
    assert worked.launched == [(a, b, c), (a, c), (a,)]
    assert {job: error.what for job, error in assisted.left.items()} == {
        b: "not there",
        c: "nor there",
    }
    assert (assisted.interrupted, assisted.failure) == (False, None)


def test_with_no_job_left_none_follows(worked: Worked) -> None:
    worked.work((0, tuple(left(place, "no") for place in (0, 1, 2))))
    worked.assist(lambda: None, print)
    assert len(worked.launched) == 1


@pytest.mark.parametrize("line", [LEFT, LEFT + b"0 {", LEFT + b"0 [1]"])
def test_a_line_that_is_cut_off_says_nothing(worked: Worked, line: bytes) -> None:
    worked.work((0, (line,)))
    assert not worked.assist(lambda: None, print).left


def test_a_worker_that_fails_says_why(worked: Worked) -> None:
    reported = json.dumps(ShardmillError("the luigid is gone").to_record()).encode()
    worked.work((1, (reported,)))
    failure = worked.assist(lambda: None, print).failure
    assert failure is not None
    assert failure.what == "the luigid is gone"


def test_a_worker_that_was_killed_is_a_failure_and_names_the_log(worked: Worked) -> None:
    worked.work((-9, ()))
    failure = worked.assist(lambda: None, print).failure
    assert failure is not None
    assert (failure.found, failure.file) == ("SIGKILL", str(worked.log))


@pytest.mark.parametrize(
    ("status", "begun", "cut_off"),
    [(0, True, False), (CUT_OFF, True, True), (-9, True, True), (-15, False, False)],
)
def test_asked_to_end_it_is_cut_off_if_tasks_were_killed(
    worked: Worked, status: int, begun: bool, cut_off: bool
) -> None:
    worked.work((status, ()))
    worked._interrupts, worked._begun = 1, begun
    assisted = worked.assist(lambda: None, print)
    assert (assisted.interrupted, assisted.cut_off) == (True, cut_off)
    assert assisted.failure is None
