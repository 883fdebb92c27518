"""Parts of the shards: each writes its own, takes what others lack, and the last finishes."""

from __future__ import annotations

import os
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from finishedoutputs import kept, prepared
from support import RawSet

from pipeline import manifest, paths, storage
from pipeline.errors import BadImage, ShardmillError, TransientError
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.shards.part import Part
from pipeline.shards.work import ShardWork
from pipeline.state.shard_claims import ShardClaims
from tasks.engines import parts
from tasks.engines.engine import Engine, Function
from tasks.engines.processes import processes

SHARDS = 7
PLANNED = ("--format", "tfrecord,recordio", "--shards", f"train={SHARDS}", "--split", "train")


@dataclass
class Recorded:
    """An engine that does at once what is submitted, and notes it.

    Attributes:
        slots: see `Engine`.
        shards: what was submitted, in order.
        refused: why some shards cannot be written.
    """

    slots: int = 1
    shards: list[int] = field(default_factory=list)
    refused: dict[int, ShardmillError] = field(default_factory=dict)

    def submit(self, function: Function, job: str, split: str, shard: int) -> Future[int]:
        """Call the function."""
        self.shards.append(shard)
        future = Future[int]()
        if shard in self.refused:
            future.set_exception(self.refused[shard])
        else:
            future.set_result(function(job, split, shard))
        return future


@pytest.fixture
def planned(small: RawSet, out: Path) -> ResolvedJob:
    """A job of two formats whose shards are planned, and none is there."""
    prepared(small, out, *PLANNED, "--until", "plan")
    resolve.cache_clear()
    return resolve(
        small.job(
            out, formats=("tfrecord", "recordio"), shards=(("train", SHARDS),), splits=("train",)
        )
    )


def write(resolved: ResolvedJob, part: str, engine: Engine) -> list[str]:
    """Write a part; return what was told."""
    told = list[str]()
    index, _, count = part.partition("/")
    parts.carry_out(resolved, Part(int(index), int(count)), engine, told.append)
    return told


def shards_of(out: Path) -> dict[str, bytes]:
    """Return the shards, indexes, facts and manifests of an output folder."""
    folders = (path for name in ("tfrecord", "recordio") for path in (out / name).rglob("*"))
    return {str(path.relative_to(out)): path.read_bytes() for path in folders if path.is_file()}


def test_a_lone_part_writes_all_and_finishes(
    small: RawSet, planned: ResolvedJob, out: Path
) -> None:
    engine = Recorded()
    assert write(planned, "1/4", engine) == []
    assert engine.shards == [1, 5, 6, 4, 3, 2, 0]
    assert shards_of(out) == shards_of(kept(small, *PLANNED).out)
    train = planned.splits["train"]
    for output in train.outputs:
        link = paths.current(planned.out, output.format, "train")
        assert storage.pointed(link) == output.digest
    assert not list(paths.shard_claim(out, train.shards_digest, 0).parent.iterdir())


def test_parts_of_different_numbers_go_together(small: RawSet, planned: ResolvedJob) -> None:
    claims = ShardClaims(planned.out, planned.splits["train"].shards_digest)
    held = _others(planned, claims, [0, 2, 3, 4, 6])
    first, second = Recorded(), Recorded()
    write(planned, "1/4", first)
    assert first.shards == [1, 5]
    for shard in held:
        claims.drop(shard)
    write(planned, "0/2", second)
    assert second.shards == [0, 2, 4, 6, 3]


def _others(planned: ResolvedJob, claims: ShardClaims, shards: list[int]) -> list[int]:
    """Have another process, which lives, say that it writes some shards."""
    for shard in shards:
        claims.take(shard)
    return shards


def test_shards_that_others_claim_are_left_to_them(planned: ResolvedJob) -> None:
    """Its own it writes nevertheless, after those that nobody claims: twice made does no harm."""
    claims = ShardClaims(planned.out, planned.splits["train"].shards_digest)
    _others(planned, claims, [1, 6])
    engine = Recorded()
    write(planned, "1/3", engine)
    assert engine.shards == [4, 1, 5, 3, 2, 0]
    assert parts.missing(planned) == 1
    assert parts.missing(planned, Part(1, 3)) == 0
    assert manifest_of(planned) is None


def manifest_of(planned: ResolvedJob) -> dict[str, object] | None:
    path = paths.manifest(planned.splits["train"].outputs[0].folder)
    return manifest.load(path) if storage.stat(path) else None


def test_the_one_that_finds_nothing_missing_finishes(planned: ResolvedJob) -> None:
    train = planned.splits["train"]
    work = ShardWork(planned, train)
    for shard in range(SHARDS):
        work.make(shard)
    engine = Recorded()
    write(planned, "8/9", engine)
    assert engine.shards == []
    assert manifest_of(planned) is not None


def test_a_refusal_of_its_own_shard_ends_a_part(planned: ResolvedJob) -> None:
    engine = Recorded(refused={4: BadImage("no image")})
    with pytest.raises(BadImage):
        write(planned, "1/3", engine)
    assert engine.shards == [1, 4]


def test_a_failure_that_passes_lets_a_part_go_on_to_its_own(planned: ResolvedJob) -> None:
    engine = Recorded(refused={1: TransientError("not now")})
    with pytest.raises(TransientError):
        write(planned, "1/3", engine)
    assert engine.shards == [1, 4]
    again = Recorded()
    write(planned, "1/3", again)
    assert again.shards[0] == 1
    assert manifest_of(planned) is not None


@pytest.mark.parametrize("dies", [0, 1])
def test_a_dead_process_ends_a_part_and_is_named(planned: ResolvedJob, dies: int) -> None:
    """Its own next shards, or those of others, are not given to processes that have ended."""
    with processes(2) as engine:
        assert engine.submit(_pid_of, "", "", 0).result() == os.getpid()
        fatal = Dying(engine, dies)
        with pytest.raises(TransientError, match="was it killed, for memory") as caught:
            write(planned, "0/1", fatal)
        assert engine.submit(_pid_of, "", "", 0).exception() is not None
    assert not caught.value.permanent
    claims = paths.shard_claim(planned.out, planned.splits["train"].shards_digest, 0).parent
    assert not list(storage.documents(claims))


def _pid_of(job: str, split: str, shard: int) -> int:
    del job, split, shard
    return os.getppid()


def _die(job: str, split: str, shard: int) -> int:
    del job, split, shard
    os._exit(9)


@dataclass
class Dying:
    """An engine of processes, one of which dies of a shard.

    Attributes:
        engine: of processes.
        shard: of which it dies.
    """

    engine: Engine
    shard: int

    @property
    def slots(self) -> int:
        """See `Engine`."""
        return self.engine.slots

    def submit(self, function: Function, job: str, split: str, shard: int) -> Future[int]:
        """Have it write a shard, or die."""
        return self.engine.submit(_die if shard == self.shard else function, job, split, shard)


def test_a_refusal_of_a_shard_of_others_is_told_and_no_failure(planned: ResolvedJob) -> None:
    engine = Recorded(refused={5: BadImage("no image")})
    (told,) = write(planned, "0/3", engine)
    assert told == "train 5, a shard of another part, cannot be written: no image"
    assert engine.shards == [0, 3, 6, 5]
    assert manifest_of(planned) is None
    assert parts.missing(planned, Part(0, 3)) == 0


def test_a_shard_that_was_made_twice_is_the_same(
    small: RawSet, planned: ResolvedJob, out: Path
) -> None:
    work = ShardWork(planned, planned.splits["train"])
    rows = {shard: work.make(shard) for shard in range(SHARDS)}
    before = shards_of(out)
    marks = [
        paths.shard_mark(out, output.digest, shard)
        for output in planned.splits["train"].outputs
        for shard in rows
    ]
    for mark in marks:
        mark.unlink()
    write(planned, "0/2", Recorded(slots=3))
    after = shards_of(out)
    assert {name: after[name] for name in before} == before


def test_as_many_are_written_at_a_time_as_the_engine_takes(planned: ResolvedJob) -> None:
    @dataclass
    class Slow(Recorded):
        most: int = 0
        waiting: list[tuple[Future[int], Function, str, str, int]] = field(default_factory=list)

        def submit(self, function: Function, job: str, split: str, shard: int) -> Future[int]:
            future = Future[int]()
            self.waiting.append((future, function, job, split, shard))
            self.most = max(self.most, len(self.waiting))
            if len(self.waiting) == self.slots or shard == self.shards[-1]:
                for each, call, *given in self.waiting:
                    each.set_result(call(given[0], given[1], given[2]))  # type: ignore[arg-type]
                self.waiting.clear()
            return future

    engine = Slow(slots=2, shards=[SHARDS - 1])
    write(planned, "0/1", engine)
    assert engine.most == 2
    assert manifest_of(planned) is not None
