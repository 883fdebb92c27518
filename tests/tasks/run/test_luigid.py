"""Whoever reaches a luigid can stop the work of a worker, and cannot have it do anything else."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import luigi
import pytest
from fakeluigid import InProcess
from luigi.scheduler import Scheduler
from luigi.task_status import RUNNING
from support import RawSet

from pipeline.errors import EnvironmentRefused, ShardmillError, TransientError
from tasks.archives import CheckInputs
from tasks.prepare import is_complete
from tasks.roots import prepare_task
from tasks.run.exchange import Address
from tasks.run.local_scheduler import Factory, PlainWorker
from tasks.run.luigid import LuigidClient

_ADDRESS = ("luigid", 8082)
_WORKER = "ours"


class Leaf(luigi.Task):
    """A task of a job: a file."""

    out: luigi.Parameter[str] = luigi.Parameter()
    number: luigi.IntParameter = luigi.IntParameter()

    def output(self) -> luigi.LocalTarget:
        return luigi.LocalTarget(f"{self.out}/{self.number}")  # type: ignore[no-untyped-call]

    def run(self) -> None:
        Path(self.output().path).write_text("made")


class Whole(luigi.WrapperTask):
    """A job of three files."""

    out: luigi.Parameter[str] = luigi.Parameter()

    def requires(self) -> list[Leaf]:
        return [Leaf(out=self.out, number=number) for number in range(3)]


class Ours:
    """A worker of a job, its luigid, and a poster who knows the worker's name."""

    def __init__(self, root: luigi.Task, ask: Callable[..., Any] | None = None) -> None:
        self.root: Any = root
        self.said = list[str]()
        self.luigid = InProcess()
        self.client = LuigidClient(_ADDRESS, lambda: root, self.said.append, ask or self.luigid)
        self.worker: Any = PlainWorker(  # type: ignore[no-untyped-call]
            scheduler=self.client,
            worker_id=_WORKER,
            no_install_shutdown_handler=True,
            wait_interval=0.01,
            wait_jitter=0.0,
        )

    def schedule(self) -> None:
        self.worker.add(self.root)

    def post(self, task_id: str, **more: object) -> None:
        """Post a task for this worker, before its own."""
        told = {"worker": _WORKER, "task_id": task_id, "priority": 10**6, **more}
        self.luigid(_ADDRESS, "add_task", told)

    def work(self) -> bool:
        done: bool = self.worker.run()
        return done

    def ask_for_work(self) -> dict[str, Any]:
        return self.client.get_work(worker=_WORKER, host="here", current_tasks=[])


@pytest.fixture
def ours(tmp_path: Path) -> Ours:
    return Ours(Whole(out=str(tmp_path)))


def made(ours: Ours) -> list[str]:
    return sorted(path.name for path in Path(ours.root.out).iterdir())


def test_a_worker_does_its_own_job(ours: Ours) -> None:
    ours.schedule()
    assert ours.work()
    assert made(ours) == ["0", "1", "2"]
    assert ours.root.complete()
    assert ours.said == []


@pytest.fixture
def foreign(small: RawSet, tmp_path: Path) -> dict[str, object]:
    """A task of ours on a folder of the poster's choice."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    job = small.job(folder)
    task: Any = CheckInputs(out=str(folder), digest="0" * 64, job=job)
    params = task.to_str_params()
    return {"family": "CheckInputs", "params": params, "module": "tasks", "task_id": task.task_id}


def importable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Lay a module that leaves a mark where it is imported, and return its name."""
    (folder / "postersmodule.py").write_text(f"open({str(folder / 'imported')!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(str(folder))
    assert importlib.util.find_spec("postersmodule") is not None
    return "postersmodule"


@pytest.mark.parametrize("kind", ["a folder", "a module", "no module", "no family", "not text"])
def test_a_posted_task_is_declined_and_the_job_goes_on(
    ours: Ours,
    foreign: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    changed: dict[str, dict[str, object]] = {
        "a folder": {},
        "a module": {"module": importable(tmp_path, monkeypatch)},
        "no module": {"module": "no.such.module"},
        "no family": {"family": "NoSuchFamily", "module": None},
        "not text": {"family": 7, "params": {"out": {"deep": [1]}}},
    }
    ours.schedule()
    ours.post(**(foreign | changed[kind]))  # type: ignore[arg-type]
    assert ours.work()
    assert [name for name in made(ours) if name.isdecimal()] == ["0", "1", "2"]
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (tmp_path / "imported").exists()
    assert "postersmodule" not in sys.modules
    (line,) = ours.said
    assert str(foreign["task_id"])[:40] in line
    assert "luigid:8082" in line


def test_a_posted_task_that_is_never_done_is_said_once_and_does_not_hold_the_worker(
    ours: Ours, foreign: dict[str, object]
) -> None:
    ours.schedule()
    ours.post(**foreign, retry_policy_dict={"retry_count": 10**9})  # type: ignore[arg-type]
    for _ in range(50):  # with a retry_delay of 0 it is pending again at once
        ours.ask_for_work()
    assert len(ours.said) == 1
    assert ours.luigid.asked.count("get_work") < 1500


def test_of_many_posted_tasks_few_are_named(ours: Ours) -> None:
    ours.schedule()
    for number in range(40):
        ours.post(f"\x1b[2J{number}" + "x" * 10_000, family="F")
    for _ in range(3):
        ours.ask_for_work()
    assert 10 < len(ours.said) < 30
    assert all(line.isprintable() and len(line) < 300 for line in ours.said)


def test_a_task_of_the_job_that_another_host_has_scheduled_is_run(ours: Ours) -> None:
    for leaf in ours.root.requires():
        leaf.run()
    ours.schedule()  # all is there: nothing but the root is known to luigid
    leaf = ours.root.requires()[1]
    Path(leaf.output().path).unlink()
    ours.post(leaf.task_id, family="Poster's", params={"out": "/elsewhere"}, module="poster")
    assert ours.work()
    assert made(ours) == ["0", "1", "2"]
    assert ours.said == []


def test_two_workers_share_a_job(ours: Ours) -> None:
    other = Ours(ours.root, ours.luigid)
    other.worker._id = "other"
    ours.schedule()
    other.schedule()
    first = ours.ask_for_work()["task_id"]
    second = other.client.get_work(worker="other", host="there", current_tasks=[])["task_id"]
    assert {first, second} < {task.task_id for task in ours.root.requires()}
    assert first != second
    assert ours.said == other.said == []


def repeating(task_id: str) -> Callable[..., Any]:
    """A luigid that hands out one task for ever."""

    def ask(_address: object, method: str, *_: object) -> object:
        work = {"running_tasks": [], "n_pending_tasks": 1, "n_unique_pending": 1}
        return {**work, "task_id": task_id} if method == "get_work" else None

    return ask


@pytest.mark.parametrize("broken", [False, True])
def test_a_task_that_is_handed_out_for_ever_ends_the_worker(tmp_path: Path, broken: bool) -> None:
    root: Any = Whole(out=str(tmp_path / "absent" if broken else tmp_path))
    ours = Ours(root, repeating(root.requires()[0].task_id))
    ours.schedule()
    ours.work()
    assert isinstance(ours.client.given_up, TransientError)
    assert "again and again" in str(ours.client.given_up)


def test_a_task_that_runs_is_not_started_again(ours: Ours) -> None:
    ours.schedule()
    task_id = ours.ask_for_work()["task_id"]
    ours.client._ask = repeating(task_id)
    answer = ours.client.get_work(worker=_WORKER, host="here", current_tasks=[task_id])
    assert answer["task_id"] is None


def test_several_tasks_are_not_run_as_one(ours: Ours) -> None:
    ours.schedule()
    batcher = {"worker": _WORKER, "task_family": "Leaf", "batched_args": ["number"]}
    ours.luigid(_ADDRESS, "add_task_batcher", batcher)
    for leaf in ours.root.requires():
        ours.post(leaf.task_id, batchable=True)
    assert ours.ask_for_work()["task_id"] is None
    assert made(ours) == []
    (line,) = ours.said
    assert "as one" in line


def test_a_worker_does_what_no_message_says(ours: Ours) -> None:
    ours.schedule()
    posted = {"worker": _WORKER, "n": 10**6}
    for _ in range(3):
        ours.luigid(_ADDRESS, "set_worker_processes", posted)
        assert ours.client.ping(worker=_WORKER) == {"rpc_messages": []}
    assert ours.worker.worker_processes == 1
    (line,) = ours.said
    assert "a message" in line


@pytest.mark.parametrize("answer", [None, [], "rpc_messages", {"rpc_messages": 7}])
def test_a_ping_takes_any_answer(tmp_path: Path, answer: object) -> None:
    ours = Ours(Whole(out=str(tmp_path)), lambda *_: answer)
    assert ours.client.ping(worker=_WORKER) == {"rpc_messages": []}


GOOD: dict[str, Any] = {"task_id": None, "running_tasks": [], "n_pending_tasks": 0}
_TEXTS: tuple[Any, ...] = (7, True, ["a"], {})
_RUNNING: tuple[Any, ...] = ({}, "a", [1], [{}], [{"worker": ""}], [{"task_id": 1, "worker": ""}])
_COUNTS: tuple[Any, ...] = ("1", -1, 1.5, None, True, [])
_STATES: tuple[Any, ...] = (None, "idle", [])


@pytest.mark.parametrize(
    "answer",
    [
        *(None, [], "work", 7, {}),
        *({**GOOD, "task_id": each} for each in _TEXTS),
        *({**GOOD, "running_tasks": each} for each in _RUNNING),
        *({**GOOD, "n_unique_pending": each} for each in _COUNTS),
        *({**GOOD, "worker_state": each} for each in _STATES),
    ],
)
def test_work_of_a_wrong_shape_is_refused(tmp_path: Path, answer: object) -> None:
    ours = Ours(Whole(out=str(tmp_path)), lambda *_: answer)
    with pytest.raises(EnvironmentRefused, match="get_work") as refusal:
        ours.ask_for_work()
    assert refusal.value.exit_status == 1


def test_progress_that_cannot_be_reported_is_left_out(tmp_path: Path) -> None:
    asked = list[str]()

    def ask(_: object, method: str, *__: object) -> object:
        asked.append(method)
        raise TransientError("the luigid does not answer")

    ours = Ours(Whole(out=str(tmp_path)), ask)
    for percentage in (1.0, 2.0, 3.0):
        ours.client.set_task_progress_percentage("task", percentage)
    assert asked == ["set_task_progress_percentage"]


def test_progress_is_seen_in_luigis_visualiser(ours: Ours) -> None:
    ours.schedule()
    task_id = ours.ask_for_work()["task_id"]
    ours.client.set_task_progress_percentage(task_id, 50.0)
    seen = ours.luigid(_ADDRESS, "get_task_progress_percentage", {"task_id": task_id})
    assert seen["progressPercentage"] == 50.0


def test_what_other_workers_are_called_is_text_in_the_log(tmp_path: Path) -> None:
    running = [{"task_id": "Leaf", "worker": "\x1b[2J\n" + "x" * 9000}]
    ours = Ours(Whole(out=str(tmp_path)), lambda *_: {**GOOD, "running_tasks": running})
    (seen,) = ours.ask_for_work()["running_tasks"]
    assert seen["worker"].isprintable()
    assert len(seen["worker"]) < 300


@pytest.mark.parametrize("listed", [[], "text", None, 7])
def test_a_list_of_tasks_of_a_wrong_shape_is_refused(tmp_path: Path, listed: object) -> None:
    ours = Ours(Whole(out=str(tmp_path)), lambda *_: listed)
    with pytest.raises(EnvironmentRefused, match="task_list"):
        ours.client.re_enable("/out")


def test_only_tasks_of_the_output_folder_are_enabled_again(tmp_path: Path) -> None:
    listed = {"a": 7, "b": {}, "c": {"params": ["out"]}, "d": {"params": {"out": "/other"}}}
    asked = list[object]()

    def ask(_: object, method: str, told: dict[str, object], *__: object) -> object:
        asked.append(told.get("task_id"))
        return listed | {"ours": {"params": {"out": "/out"}}} if method == "task_list" else None

    Ours(Whole(out=str(tmp_path)), ask).client.re_enable("/out")
    assert asked == [None, "ours"]


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Luigi's settings for a luigid that goes away, much shortened."""
    monkeypatch.setattr("tasks.run.settings.luigid_patience", lambda: (0.01, 0.2))


@pytest.mark.usefixtures("patience")
def test_a_luigid_that_goes_away_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    answers = iter([TransientError("busy"), TransientError("busy"), GOOD])

    def ask(*_: object) -> object:
        answer = next(answers, TransientError("the luigid is gone"))
        if isinstance(answer, ShardmillError):
            raise answer
        return answer

    ours = Ours(Whole(out=str(tmp_path)), ask)
    assert ours.ask_for_work()["task_id"] is None
    with pytest.raises(EnvironmentRefused, match="has not answered for") as refusal:
        ours.ask_for_work()
    assert refusal.value.permanent  # no other worker waits as long again


@pytest.mark.parametrize("status", ["DONE", "FAILED", "DISABLED"])
def test_what_a_poster_says_of_our_tasks_makes_nothing_complete(
    small: RawSet, out: Path, status: str
) -> None:
    job = small.job(out, steps=("verify",))
    luigid = InProcess(Scheduler(retry_delay=1000.0))  # type: ignore[no-untyped-call]

    def ask(address: Address, method: str, told: dict[str, object], *_: object) -> object:
        return luigid(address, method, told | {"status": status} if "status" in told else told)

    ours = Ours(prepare_task(job), ask)
    ours.schedule()
    assert ours.work()
    assert {task["status"] for task in luigid(_ADDRESS, "task_list", {}).values()} == {status}
    assert not is_complete(job)


def test_an_error_of_ours_is_logged_without_a_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def ask(*_: object) -> object:
        raise EnvironmentRefused("that is no luigid")

    ours = Ours(Whole(out=str(tmp_path)), ask)
    with pytest.raises(EnvironmentRefused):
        ours.schedule()
    assert "that is no luigid" in caplog.text
    assert "Traceback" not in caplog.text


def test_no_worker_is_an_assistant_and_no_setting_says_where_the_luigid_is(ours: Ours) -> None:
    factory = Factory(ours.client)
    assert factory.create_remote_scheduler("http://elsewhere:1/") is ours.client
    worker: Any = factory.create_worker(ours.client, 1, assistant=True)
    assert not worker._assistant


def test_the_pages_show_what_a_running_task_says_and_where_its_log_is(tmp_path: Path) -> None:
    ours = Ours(Whole(out=str(tmp_path)))
    ours.schedule()
    task_id = str(ours.ask_for_work()["task_id"])
    told = {"worker": _WORKER, "status": RUNNING, "tracking_url": "file://host/log"}
    ours.client.add_task(task_id=task_id, **told)
    ours.client.set_task_status_message(task_id, "7 images/s")
    task = ours.luigid.scheduler.task_list(RUNNING, "")[task_id]
    assert (task["tracking_url"], task["status_message"]) == ("file://host/log", "7 images/s")
    assert task["params"]["out"] == str(tmp_path)


def test_what_only_the_pages_show_is_told_once_to_a_luigid_that_is_lost(tmp_path: Path) -> None:
    asked = list[str]()

    def ask(_: Address, method: str, *__: object) -> None:
        asked.append(method)
        raise TransientError("no answer")

    client = LuigidClient(_ADDRESS, lambda: Whole(out=str(tmp_path)), print, ask)
    for _ in range(2):
        client.add_task(task_id="task", worker=_WORKER, status=RUNNING, tracking_url="file://a")
        client.set_task_status_message("task", "7 images/s")
    assert asked == ["add_task"]
