"""Shards that are submitted to an engine on other hosts: what becomes of each of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from finishedoutputs import prepared
from stubcluster import StubCluster
from support import RawSet, timings

from pipeline import paths, storage
from pipeline.errors import (
    ArchiveMissing,
    BadImage,
    EnvironmentRefused,
    ShardmillError,
    UsageError,
)
from pipeline.formats.registry import ALL
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.shards import work
from pipeline.shards.work import ShardWork
from tasks.engines import cluster, there
from tasks.engines.cluster import MOST_LOST, WAIT_VARIABLE, Submitted, WorkerLost, carry_out
from tasks.engines.there import write_there

SHARDS = 4
PLANNED = ("--format", "tfrecord,recordio", "--shards", f"train={SHARDS}", "--split", "train")


@pytest.fixture
def planned(small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch) -> ResolvedJob:
    """A job of two formats whose shards are planned, and none is there."""
    monkeypatch.setattr(cluster, "_LOOK_S", 0.01)
    monkeypatch.setenv("SHARDMILL_RUN", "run")
    prepared(small, out, *PLANNED, "--until", "plan")
    resolve.cache_clear()
    there._works.cache_clear()
    formats = ("tfrecord", "recordio")
    job = small.job(out, formats=formats, shards=(("train", SHARDS),), splits=("train",))
    return resolve(job)


def numbers(stub: StubCluster) -> list[int]:
    return [shard for _, shard in stub.shards]


def missing(planned: ResolvedJob) -> list[int]:
    return ShardWork(planned, planned.splits["train"]).missing()


def test_what_is_missing_is_written_and_nothing_else(planned: ResolvedJob) -> None:
    ShardWork(planned, planned.splits["train"]).make(2)
    stub, told = StubCluster(), list[str]()
    carry_out(planned, stub, told.append)
    assert (numbers(stub), told, missing(planned)) == ([0, 1, 3], [], [])
    assert len(stub.requests) == 1


def test_what_was_written_is_noted_as_tasks_note_it(planned: ResolvedJob, out: Path) -> None:
    carry_out(planned, StubCluster(), print)
    assert {note.name for note in timings(out)} >= {f"train {shard}" for shard in range(SHARDS)}
    assert all(note.bytes and note.images for note in timings(out) if note.step == "shards")


def test_a_lost_worker_has_its_shard_submitted_again(planned: ResolvedJob) -> None:
    stub = StubCluster(failures={1: [WorkerLost("killed")] * MOST_LOST})
    carry_out(planned, stub, print)
    assert numbers(stub).count(1) == MOST_LOST + 1
    assert missing(planned) == []


def test_a_shard_that_kills_each_worker_ends_the_command(planned: ResolvedJob) -> None:
    stub = StubCluster(failures={1: [WorkerLost("killed")] * (MOST_LOST + 1)})
    with pytest.raises(EnvironmentRefused, match="train 1: a shard whose process was lost"):
        carry_out(planned, stub, print)
    assert numbers(stub).count(1) == MOST_LOST + 1


def test_a_refusal_ends_it_and_waits_for_no_other_shard(planned: ResolvedJob) -> None:
    stub = StubCluster(holds=True, failures={2: [BadImage("no image")]})
    with pytest.raises(BadImage):
        carry_out(planned, stub, print)
    assert missing(planned) == [0, 1, 2, 3]


def test_a_worker_is_waited_for_as_long_as_is_said(
    planned: ResolvedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WAIT_VARIABLE, "0")
    told = list[str]()
    with pytest.raises(EnvironmentRefused, match="had no worker for 0 seconds"):
        carry_out(planned, StubCluster(count=0, holds=True), told.append)
    assert told == ["the engine has no worker: waiting for one, 0 s at most"]


@pytest.mark.parametrize("given", ["soon", "-1", "1.5", "٣"])
def test_a_wait_that_is_no_number_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WAIT_VARIABLE, given)
    with pytest.raises(UsageError, match=WAIT_VARIABLE):
        cluster.patience()


def test_a_shard_that_is_not_seen_here_was_written_elsewhere(
    planned: ResolvedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_SEEN_WITHIN_S", 0.02)

    def written_elsewhere(job: str, split: str, shard: int) -> int:
        return 10

    monkeypatch.setattr(cluster, "write_there", written_elsewhere)
    with pytest.raises(EnvironmentRefused, match="is not seen here") as caught:
        carry_out(planned, StubCluster(), print)
    assert caught.value.file == str(planned.out)


def test_a_shard_that_is_seen_late_is_waited_for(
    planned: ResolvedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = list[int]()
    is_seen = Submitted._is_seen

    def late(self: Submitted, place: tuple[str, int]) -> bool:
        looks.append(place[1])
        return looks.count(place[1]) > 2 and is_seen(self, place)

    monkeypatch.setattr(Submitted, "_is_seen", late)
    carry_out(planned, StubCluster(), print)
    assert looks.count(0) == 3


def test_a_shard_that_is_there_is_not_written_again(planned: ResolvedJob) -> None:
    request = work.request(planned)
    assert write_there(request, "train", 0) > 0
    assert write_there(request, "train", 0) == 0


def refusal(planned: ResolvedJob) -> ShardmillError:
    """Return how a host refuses to write a shard: with its name."""
    with pytest.raises(ShardmillError) as caught:
        write_there(work.request(planned, "another command"), "train", 0)
    assert caught.value.what.startswith(f"on {storage.this_process().host}: ")
    assert missing(planned) == [0, 1, 2, 3]
    return caught.value


def test_a_host_with_another_program_refuses_and_names_both_versions(
    planned: ResolvedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = work.request(planned)
    version = ALL["tfrecord"].version
    monkeypatch.setattr(ALL["tfrecord"], "version", 1234)
    with pytest.raises(UsageError, match="would write other shards") as caught:
        write_there(request, "train", 0)
    assert f"on {storage.this_process().host}: this program" in str(caught.value)
    assert f"version {version} of its writer" in str(caught.value.expected)
    assert "version 1234 of its writer" in str(caught.value.found)


def test_a_host_without_the_archive_says_which(
    small: RawSet, planned: ResolvedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = planned.splits["train"].source.inputs[0]
    lost = planned.raw_file(archive)
    stat = storage.stat
    monkeypatch.setattr(storage, "stat", lambda path: None if path == lost else stat(path))
    error = refusal(planned)
    assert isinstance(error, ArchiveMissing)
    assert error.file == str(lost)


def test_a_host_that_does_not_see_the_output_says_so(planned: ResolvedJob) -> None:
    split = planned.splits["train"]
    mark = Path(str(paths.plan_mark(planned.out, "train", split.plan_digest)))
    kept = mark.read_bytes()
    mark.unlink()
    error = refusal(planned)
    assert isinstance(error, EnvironmentRefused)
    assert error.file == str(mark)
    mark.write_bytes(kept)
    assert write_there(work.request(planned, "another command"), "train", 0) > 0


def test_each_command_is_looked_at_anew(
    planned: ResolvedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = list[str]()
    works = work.works

    def noting(text: str) -> object:
        known.append(text)
        return works(text)

    monkeypatch.setattr(work, "works", noting)
    for command in ("first", "first", "second"):
        write_there(work.request(planned, command), "train", 0)
    assert len(known) == 2


def test_memory_that_ran_out_is_said_with_the_host(
    planned: ResolvedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: ShardWork, shard: int) -> None:
        raise MemoryError

    monkeypatch.setattr(ShardWork, "make", full)
    error = refusal(planned)
    assert not error.permanent
    assert "memory ran out" in error.what
