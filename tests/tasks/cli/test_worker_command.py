"""``shardmill worker``: which jobs it takes tasks of, and which it refuses before any work."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import inprocess
import pytest
from assisted import TRAIN, planned
from fakeluigid import page, response, serving
from finishedoutputs import prepared
from inprocess import Ran
from support import RawSet

from pipeline import manifest, paths, storage
from pipeline.errors import InputRefused, ShardmillError
from pipeline.formats.registry import ALL
from pipeline.images.prepare import PLAIN
from pipeline.job.options import Job
from pipeline.job.resolve import resolve
from pipeline.state import run_end, status
from tasks.cli import assisting
from tasks.run.assistant.supervisor import AssistantSupervisor, Assisted

Told = list[AssistantSupervisor]
Shardmill = Callable[..., Ran]
AT = ("worker", "--scheduler-host", "127.0.0.1:1")


@pytest.fixture
def ended() -> dict[str, Any]:
    """How the assistant ends that a test has in place of a worker."""
    return {"interrupted": False, "cut_off": False, "left": {}, "failure": None}


@pytest.fixture
def supervised(monkeypatch: pytest.MonkeyPatch, ended: dict[str, Any]) -> Told:
    """The assistants that commands of this process would have started."""
    started = Told()

    def assist(self: AssistantSupervisor, *_: object) -> Assisted:
        started.append(self)
        return Assisted(**ended)

    monkeypatch.setattr(AssistantSupervisor, "assist", assist)
    monkeypatch.setattr("tasks.run.scheduler.check_luigid", lambda _: None)
    return started


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Shardmill:
    return lambda *words: inprocess.shardmill(monkeypatch, *words)


@pytest.fixture
def job(small: RawSet, out: Path) -> Job:
    """A job whose shards are planned, and that is recorded as by a command at work."""
    job = planned(small, out)
    status.record_job(resolve(job))
    return job


def test_tasks_of_the_recorded_job_are_taken(run: Shardmill, job: Job, supervised: Told) -> None:
    ran = run(*AT, "--for", job.out, "--workers", 3, "--grace", 7)
    assert ran.status == 0, ran.said
    (supervisor,) = supervised
    assert supervisor.jobs == (job,)
    assert (supervisor.workers, supervisor.scheduler) == (3, ("127.0.0.1", 1))
    assert supervisor.time_s == 7
    assert "done here: 0 shards, 0 images, 0 B; not complete" in ran.said


def test_of_an_output_that_is_complete_nothing_is_taken(
    small: RawSet, out: Path, run: Shardmill, supervised: Told
) -> None:
    prepared(small, out, *TRAIN)
    ran = run(*AT, "--for", out)
    assert (ran.status, supervised) == (0, [])
    assert "nothing to do: all that is recorded in these outputs is complete" in ran.said


def test_what_it_did_ends_no_command(run: Shardmill, job: Job, supervised: Told) -> None:
    """`status` says how the last command ended, and that was none which only helped."""
    run_end.note(Path(job.out), "20370203-040506-host-012345", 1, "no space")
    assert run(*AT, "--for", job.out).status == 0
    (name,) = (each.name for each in supervised)
    assert name in storage.folders(paths.runs(Path(job.out)))
    last = run_end.last(Path(job.out))
    assert last is not None
    assert last.reason == "no space"


def test_programs_are_told_what_was_done(run: Shardmill, job: Job, supervised: Told) -> None:
    ran = run(*AT, "--for", job.out, "--json")
    events = [json.loads(line) for line in ran.said.splitlines()]
    told = {each["event"]: each for each in events}
    assert (told["run"]["phase"], told["run"]["out"]) == ("worker", job.out)
    assert told["assisted"] == {
        "event": "assisted",
        "time": told["assisted"]["time"],
        "out": job.out,
        "tasks": 0,
        "shards": 0,
        "images": 0,
        "bytes": 0,
        "complete": False,
    }
    assert told["end"]["status"] == 0
    assert supervised


@pytest.mark.usefixtures("supervised")
def test_quiet_it_says_nothing_of_what_went_well(run: Shardmill, job: Job) -> None:
    assert run(*AT, "--for", job.out, "--quiet") == Ran(0, "")


def test_with_another_writer_nothing_is_taken_and_both_versions_are_named(
    run: Shardmill, job: Job, supervised: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(ALL["tfrecord"]), "version", 77)
    ran = run(*AT, "--for", job.out)
    assert (ran.status, supervised) == (2, [])
    assert "train: tfrecord: version 77 of its writer" in ran.said
    version = ran.said.count("of its writer")
    assert version == 2
    assert "this program would write other shards than it is asked for" in ran.said


def test_with_another_codec_nothing_is_taken_and_both_are_named(
    small: RawSet, out: Path, run: Shardmill, supervised: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = dataclasses.replace(PLAIN, resize=20)
    status.record_job(resolve(planned(small, out, "--resize", 20, image=image)))
    monkeypatch.setattr("pipeline.images.repair.codec", lambda: "another-codec-9")
    ran = run(*AT, "--for", out)
    assert (ran.status, supervised) == (2, [])
    assert "another-codec-9" in ran.said


def test_a_job_that_means_something_else_here_is_refused(
    run: Shardmill, job: Job, supervised: Told
) -> None:
    record = status.last_record(Path(job.out))
    assert record is not None
    other = {"job": record.job, "outputs": [["tfrecord", "train", "0" * 12]], "products": []}
    manifest.publish_alone(paths.last_job(Path(job.out)), other)
    shutil.rmtree(paths.jobs(Path(job.out)))
    ran = run(*AT, "--for", job.out)
    assert (ran.status, supervised) == (2, [])
    assert "train: tfrecord: 000000000000" in ran.said
    assert "the job means something else here" in ran.said


def test_where_no_command_has_said_what_writes_the_shards_that_is_said(
    run: Shardmill, job: Job, supervised: Told
) -> None:
    shutil.rmtree(paths.shard_terms(Path(job.out), "train", "").parent)
    ran = run(*AT, "--for", job.out)
    assert (ran.status, supervised) == (2, [])
    assert "start the command with --scheduler-host first" in ran.said


def test_archives_that_this_host_does_not_see_are_named_with_the_host(
    small: RawSet, out: Path, tmp_path: Path, run: Shardmill, supervised: Told
) -> None:
    own = small.copy(tmp_path / "raw")
    job = planned(own, out)
    status.record_job(resolve(job))
    for archive in own.raw.glob("*train.tar"):
        archive.unlink()
    ran = run(*AT, "--for", out)
    assert (ran.status, supervised) == (3, [])
    assert f"no task of the last command is taken on {storage.host_name()}" in ran.said
    assert "ILSVRC2012_img_train.tar" in ran.said


def test_one_output_that_is_refused_keeps_no_other_from_being_taken(
    small: RawSet, tmp_path: Path, job: Job, run: Shardmill, supervised: Told
) -> None:
    other = planned(small, tmp_path / "other")
    status.record_job(resolve(other))
    shutil.rmtree(paths.shard_terms(Path(other.out), "train", "").parent)
    ran = run(*AT, "--for", other.out, "--for", job.out)
    assert ran.status == 2
    (supervisor,) = supervised
    assert supervisor.jobs == (job,)


def test_of_earlier_jobs_that_cannot_be_taken_one_is_named(
    small: RawSet, job: Job, tmp_path: Path, run: Shardmill, supervised: Told
) -> None:
    gone = dataclasses.replace(small.job(Path(job.out)), config=str(tmp_path / "gone.toml"))
    manifest.publish_alone(paths.job(Path(job.out), "0" * 12), {"job": gone.to_json()})
    ran = run(*AT, "--for", job.out)
    assert ran.status == 0, ran.said
    assert len(supervised[0].jobs) == 1
    assert "1 earlier job not taken, e.g.: " in ran.said


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        ({"interrupted": True}, 0, "done here"),
        ({"interrupted": True, "cut_off": True}, 130, "stopped before shards were finished"),
        ({"failure": ShardmillError("the luigid is gone")}, 1, "the luigid is gone"),
    ],
)
@pytest.mark.usefixtures("supervised")
def test_how_it_ends(
    run: Shardmill, job: Job, ended: dict[str, Any], more: dict[str, Any], code: int, said: str
) -> None:
    ended |= more
    ran = run(*AT, "--for", job.out)
    assert ran.status == code
    assert said in ran.said


@pytest.mark.parametrize("more", ["left", "failure"])
@pytest.mark.usefixtures("supervised")
def test_nothing_has_failed_where_the_command_has_completed_the_job(
    small: RawSet,
    run: Shardmill,
    job: Job,
    more: str,
    ended: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as where its luigid is gone with the command."""
    error = ShardmillError("the luigid is gone")
    ended[more] = {job: error} if more == "left" else error

    def assist(*_: object) -> Assisted:
        shutil.rmtree(job.out)
        prepared(small, Path(job.out), *TRAIN)
        return Assisted(**ended)

    monkeypatch.setattr(AssistantSupervisor, "assist", assist)
    ran = run(*AT, "--for", job.out)
    assert ran.status == 0, ran.said
    assert "the luigid is gone" in ran.said
    assert "; complete" in ran.said


@pytest.mark.usefixtures("supervised")
def test_a_job_that_was_left_is_named_with_its_reason(
    run: Shardmill, job: Job, ended: dict[str, Any]
) -> None:
    ended["left"] = {job: InputRefused("no such image", file="/images/7.jpg")}
    ran = run(*AT, "--for", job.out)
    assert ran.status == 3
    assert f"{job.out}: no more tasks are taken on" in ran.said
    assert "/images/7.jpg: no such image" in ran.said


def test_an_interrupt_before_any_task_is_no_failure(
    run: Shardmill, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tasks.run.scheduler.check_luigid", interrupt)
    ran = run(*AT, "--for", job.out)
    assert (ran.status, ran.said) == (0, "asked to end before a task was taken\n")


@pytest.fixture
def _never_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(AssistantSupervisor, "assist", start)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--for", "OUT", "--grace", "0"), "--grace"),
        (("--for", "OUT", "--grace", "soon"), "--grace"),
        (("--for", "OUT", "--workers", "0"), "--workers"),
        (("--for", "nowhere"), "no job is recorded here"),
        ((), "--for"),
    ],
)
@pytest.mark.usefixtures("_never_started")
def test_words_that_mean_nothing(
    run: Shardmill, job: Job, words: tuple[str, ...], said: str
) -> None:
    ran = run(*AT, *(job.out if word == "OUT" else word for word in words))
    assert ran.status == 2
    assert said in ran.said


@pytest.mark.usefixtures("_never_started")
def test_without_a_scheduler_there_is_nothing_to_take(run: Shardmill, job: Job) -> None:
    ran = run("worker", "--for", job.out)
    assert ran.status == 2
    assert "--scheduler-host" in ran.said
    ran = run("worker", "--for", job.out, "--scheduler-host", "host:port")
    assert ran.status == 2
    assert "HOST or HOST:PORT" in ran.said


@pytest.mark.usefixtures("_never_started")
def test_a_scheduler_that_does_not_answer(run: Shardmill, job: Job) -> None:
    ran = run(*AT, "--for", job.out)
    assert ran.status == 1
    assert "no Luigi scheduler answers at 127.0.0.1:1" in ran.said


@pytest.mark.parametrize("reply", [page(b"<html>"), response([1])])
@pytest.mark.usefixtures("_never_started")
def test_what_answers_and_is_no_scheduler(run: Shardmill, job: Job, reply: Any) -> None:
    with serving(reply) as (host, port):
        ran = run("worker", "--scheduler-host", f"{host}:{port}", "--for", job.out)
    assert ran.status == 1
    assert "is not a luigid" in ran.said


def test_stores_that_are_reached_in_two_ways_are_two_workers(small: RawSet, out: Path) -> None:
    def of(profile: str) -> Any:
        job = small.job(out)
        remote = dataclasses.replace(job.remote, s3_profile=profile)
        resolved = dataclasses.replace(job, raw="s3://bucket/raw", remote=remote)
        return dataclasses.make_dataclass("Resolved", ["job", "out"])(resolved, out)

    assisting._check_one_way([of("a"), of("a")])
    with pytest.raises(ShardmillError, match="reached in different ways"):
        assisting._check_one_way([of("a"), of("b")])
