"""An assistant takes what commands that live have pending of its jobs, and gives back the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from assisted import (
    ADDRESS,
    SPLIT,
    TRAIN,
    Assistant,
    Command,
    failures,
    families,
    luigid,
    planned,
    tasks,
    undisturbed,
)
from fakeluigid import InProcess
from finishedoutputs import kept
from support import RawSet, products

from pipeline import paths
from pipeline.errors import EnvironmentRefused, InputRefused, TransientError
from pipeline.job.options import Job
from tasks.prepare import is_complete
from tasks.run import draining
from tasks.run.assistant.client import COMMAND_S, PATIENCE_S
from tasks.shards import WriteShards


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed(monkeypatch)


@pytest.fixture
def ask() -> InProcess:
    return luigid()


@pytest.fixture
def job(small: RawSet, out: Path) -> Job:
    return planned(small, out)


def test_it_does_what_a_command_has_pending_and_then_ends(
    small: RawSet, job: Job, ask: InProcess
) -> None:
    Command(job, ask)
    assistant = Assistant([job], ask)
    assistant.work()
    assert families(ask, "PENDING") == {"Prepare"}  # the root is the command's
    assert is_complete(job)
    assert products(Path(job.out)) == products(kept(small, *TRAIN).out)
    assert assistant.said == []
    assert not assistant.client.left


def test_a_command_and_an_assistant_share_the_shards(job: Job, ask: InProcess) -> None:
    command, assistant = Command(job, ask), Assistant([job], ask)
    first = assistant.ask_for_work()["task_id"]
    second = command.client.get_work(worker="command", host="there", current_tasks=[])["task_id"]
    assert {first, second} <= set(tasks(ask, "RUNNING"))
    assert first != second


def test_tasks_of_other_jobs_are_never_taken(
    small: RawSet, job: Job, ask: InProcess, tmp_path: Path
) -> None:
    Command(planned(small, tmp_path / "other"), ask, "other")
    told = {"worker": "somebody", "task_id": "Foreign", "family": "Foreign"}
    ask(ADDRESS, "add_task", told | {"priority": 10**6})
    before = tasks(ask, "PENDING").keys()
    assistant = Assistant([job], ask)
    assistant.work()
    assert tasks(ask, "PENDING").keys() == before
    assert len(assistant.said) == 1  # that nothing is pending for it


def test_a_posted_task_is_given_back_said_once_and_not_failed(job: Job, ask: InProcess) -> None:
    Command(job, ask)
    needed = {"worker": "poster", "task_id": "Needed", "status": "DONE"}
    posted = {"worker": "assistant", "task_id": "Posted", "priority": 10**6, "deps": ["Needed"]}
    for told in (needed, posted):
        ask(ADDRESS, "add_task", told | {"family": "WriteShards", "params": {"out": job.out}})
    assistant = Assistant([job], ask)
    assistant.ask_for_work()
    assert "Posted" in tasks(ask, "PENDING")
    assert failures(ask) == 0
    (line,) = assistant.said
    assert "the task Posted, which is not of this job" in line


def test_what_no_living_worker_has_is_not_taken(job: Job, ask: InProcess) -> None:
    """A command that was ended leaves its tasks at the luigid for a day."""
    Command(job, ask)
    ask(ADDRESS, "disable_worker", {"worker": "command"})
    assistant = Assistant([job], ask)
    assert assistant.ask_for_work()["task_id"] is None
    assert not is_complete(job)


def test_what_it_has_joined_it_goes_on_with_when_the_command_dies(job: Job, ask: InProcess) -> None:
    Command(job, ask)
    assistant = Assistant([job], ask)
    assert assistant.ask_for_work()["task_id"]
    ask(ADDRESS, "disable_worker", {"worker": "command"})
    assert assistant.ask_for_work()["task_id"]


def test_after_a_luigid_has_lost_everything_it_joins_again(job: Job, ask: InProcess) -> None:
    Command(job, ask)
    assistant = Assistant([job], ask)
    assert assistant.ask_for_work()["task_id"]
    ask.scheduler = luigid().scheduler
    assert assistant.ask_for_work()["task_id"] is None
    Command(job, ask)
    assert assistant.ask_for_work()["task_id"]


def test_what_is_done_meanwhile_is_not_joined(job: Job, ask: InProcess) -> None:
    """Else the luigid would take it for pending again."""
    Command(job, ask)
    assistant = Assistant([job], ask)
    assistant.client._look("assistant")
    shards = [name for name in assistant.client._ahead if name.startswith("WriteShards")]
    task: Any = assistant.client._of_job[shards[0]]
    task.run()
    ask(ADDRESS, "add_task", {"worker": "command", "task_id": shards[0], "status": "DONE"})
    assistant.ask_for_work()
    assert shards[0] in tasks(ask, "DONE")


def test_a_task_whose_needs_are_not_seen_here_is_given_back_and_its_job_left(
    job: Job, ask: InProcess
) -> None:
    Command(job, ask)
    for plan in paths.plan(Path(job.out), "train", "").parent.glob("*.json"):
        plan.unlink()
    assistant = Assistant([job], ask)
    assistant.work()
    (error,) = assistant.client.left.values()
    assert isinstance(error, InputRefused)
    assert "is not seen from here" in error.what
    assert "WriteShards" in families(ask, "PENDING")
    assert families(ask, "FAILED") | families(ask, "DISABLED") == set()
    assert failures(ask) == 0
    assert draining.is_asked()


def failing(error: Exception) -> Callable[..., None]:
    def make(_: object) -> None:
        raise error

    return make


@pytest.mark.parametrize(
    ("error", "tries"),
    [(InputRefused("no such image"), 1), (TransientError("no answer"), 3), (ValueError("?"), 1)],
)
def test_a_task_that_fails_here_is_given_back_and_its_job_left(
    job: Job, ask: InProcess, monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int
) -> None:
    Command(job, ask)
    monkeypatch.setattr(WriteShards, "make", failing(error))
    assistant = Assistant([job], ask)
    assistant.work()
    (left,) = assistant.client.left.values()
    assert str(error) in left.what
    assert sum(assistant.client._taken.values()) == tries
    assert families(ask, "FAILED") | families(ask, "DISABLED") == set()
    assert failures(ask) == 0


def test_a_task_without_a_failure_record_was_killed(
    job: Job, ask: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    Command(job, ask)
    monkeypatch.setattr(WriteShards, "make", failing(KeyError("no record is written")))
    monkeypatch.setattr(WriteShards, "_record", lambda *_: None)
    assistant = Assistant([job], ask)
    assistant.work()
    (left,) = assistant.client.left.values()
    assert "was it killed" in left.what


def test_a_task_of_several_shards_stops_after_the_present_one(
    small: RawSet, out: Path, ask: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.job.split.sharding.shards_at_once", lambda *_: 3)
    job = planned(small, out)
    Command(job, ask)
    assistant, note = Assistant([job], ask), WriteShards.note

    def noting(self: WriteShards, *given: Any) -> None:
        note(self, *given)
        assistant.worker.drain()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WriteShards, "note", noting)
        assistant.work()
    marks = list(paths.shard_marks(out, "").glob("*/*.json"))
    assert len(marks) == 1
    assert families(ask, "PENDING") >= {"WriteShards", "WriteManifest"}
    assert "WriteShards" not in families(ask, "RUNNING") | families(ask, "FAILED")
    assert failures(ask) == 0


def test_what_is_given_back_another_worker_has_at_once(job: Job, ask: InProcess) -> None:
    command, assistant = Command(job, ask), Assistant([job], ask)
    task_id = assistant.ask_for_work()["task_id"]
    assistant.client.give_back("assistant", task_id)
    handed = {
        command.client.get_work(worker="command", host="there", current_tasks=[])["task_id"]
        for _ in range(4)
    }
    assert task_id in handed


def test_after_it_has_withdrawn_it_is_handed_nothing(job: Job, ask: InProcess) -> None:
    Command(job, ask)
    assistant = Assistant([job], ask)
    task_id = assistant.ask_for_work()["task_id"]
    assistant.client.give_back("assistant", task_id)
    assistant.client.withdraw("assistant")
    assert assistant.ask_for_work()["task_id"] is None


def test_it_waits_for_a_command_and_not_for_ever(job: Job, ask: InProcess) -> None:
    assistant = Assistant([job], ask)
    assistant.work()
    assert COMMAND_S < next(assistant.ticks) < 2 * COMMAND_S
    (line,) = assistant.said
    assert "luigid:8082" in line
    assert "waiting up to 60 seconds" in line


def test_what_stands_still_is_waited_for_and_not_for_ever(job: Job, ask: InProcess) -> None:
    """All that is pending waits for a task that another worker has and does not get on with."""
    command, needs = Command(job, ask), dict[str, Any]()
    for name in tasks(ask, "PENDING"):
        needs[name] = command.worker._scheduled_tasks[name]
    while task := command.client.get_work(worker="command", host="there", current_tasks=[]):
        if task["task_id"] is None:
            break
    assistant = Assistant([job], ask)
    assistant.work()
    assert PATIENCE_S < next(assistant.ticks) < 2 * PATIENCE_S
    assert assistant.said == []


def test_a_job_that_is_complete_is_not_waited_for(job: Job, ask: InProcess) -> None:
    Command(job, ask).worker.run()
    assistant = Assistant([job], ask)
    assistant.work()
    assert assistant.said == []
    assert next(assistant.ticks) < COMMAND_S


_WRONG: tuple[Any, ...] = (
    7,
    {"workers": "a"},
    {"workers": [1]},
    {"workers": []} | {"progress_percentage": "x"},
)


@pytest.mark.parametrize("task", _WRONG)
def test_a_list_of_a_wrong_shape_is_refused(small: RawSet, out: Path, task: object) -> None:
    job = planned(small, out)
    named: Any = Assistant([job], lambda *_: None).client._of_job

    def ask(_: object, method: str, *__: object) -> object:
        return dict.fromkeys(named, task) if method == "task_list" else None

    with pytest.raises(EnvironmentRefused, match="task_list"):
        Assistant([job], ask).ask_for_work()


@pytest.mark.parametrize("listed", [[], "text", 7])
def test_what_is_no_list_is_refused(small: RawSet, out: Path, listed: object) -> None:
    job = planned(small, out)
    with pytest.raises(EnvironmentRefused, match="task_list"):
        Assistant([job], lambda *_: listed).ask_for_work()


def test_it_takes_tasks_of_several_outputs(small: RawSet, tmp_path: Path, ask: InProcess) -> None:
    jobs = [planned(small, tmp_path / name) for name in ("a", "b")]
    for number, job in enumerate(jobs):
        Command(job, ask, f"command {number}")
    Assistant(jobs, ask).work()
    assert all(map(is_complete, jobs))


def test_it_schedules_nothing(job: Job, ask: InProcess) -> None:
    assistant = Assistant([job], ask)
    assert assistant.worker.add(assistant.client._root())
    assert ask.asked == []
    assert SPLIT["splits"] == job.splits
