"""One shard at a time, by whoever is told of it: the same bytes, and nothing by another program."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from finishedoutputs import prepared
from msgspec import structs
from support import RawSet

from pipeline import paths, storage
from pipeline.documents.shards import ShardTerms
from pipeline.errors import OutputDamaged, TransientError, UsageError
from pipeline.formats.registry import ALL
from pipeline.job.resolve import resolve
from pipeline.shards import terms, work
from pipeline.shards.work import ShardWork

TWO = ("--format", "tfrecord,recordio", "--shards", "train=3")


@pytest.fixture
def train(small: RawSet, out: Path) -> ShardWork:
    """The training images, in two formats of three shards each, all of them written."""
    prepared(small, out, *TWO)
    resolve.cache_clear()
    job = small.job(out, formats=("tfrecord", "recordio"), shards=(("train", 3),))
    resolved = resolve(job)
    return ShardWork(resolved, resolved.splits["train"])


def files(train: ShardWork) -> dict[Path, bytes]:
    folders = [storage.on_this_machine(output.folder) for output in train.split.outputs]
    return {
        path: path.read_bytes()
        for folder in folders
        for path in folder.iterdir()
        if "-of-" in path.name
    }


def unmark(train: ShardWork, shard: int, shard_format: str) -> None:
    """Have a shard count as missing in a format."""
    out = storage.on_this_machine(train.resolved.out)
    paths.shard_mark(out, train.split.output(shard_format).digest, shard).unlink()


def test_nothing_is_missing_of_a_finished_output(train: ShardWork) -> None:
    assert train.missing() == []
    assert train.make(1).outputs == ()


def test_a_shard_is_made_again_with_the_same_bytes(train: ShardWork) -> None:
    before, seen = files(train), list[int]()
    for shard_format in ("tfrecord", "recordio"):
        unmark(train, 1, shard_format)
    for path in before:
        if "-00001-of-" in path.name:
            path.unlink()
    assert [shard for shard in range(3) if not train.is_marked(shard)] == [1]
    assert train.missing() == [1]
    assert train.missing([0, 2]) == []
    made = train.make(1, seen.append)
    assert [output.format for output in made.outputs] == ["tfrecord", "recordio"]
    assert made.images == train.split.shard_sizes()[1]
    assert made.bytes > 0
    assert files(train) == before
    assert train.missing() == []
    train.confirm([made])


def test_a_shard_is_made_in_the_formats_that_it_lacks(train: ShardWork) -> None:
    unmark(train, 2, "recordio")
    assert [output.format for output in train.lacking(2)] == ["recordio"]
    assert [output.format for output in train.make(2).outputs] == ["recordio"]


def test_a_damaged_plan_is_forgotten(train: ShardWork) -> None:
    unmark(train, 0, "tfrecord")
    out, split = storage.on_this_machine(train.resolved.out), train.split
    planned = paths.plan(out, split.name, split.plan_digest)
    planned.write_bytes(planned.read_bytes()[:-100])
    with pytest.raises(TransientError, match="it is made anew"):
        train.make(0)
    assert not paths.plan_mark(out, split.name, split.plan_digest).exists()


def test_a_plan_of_another_number_of_shards_is_forgotten(train: ShardWork) -> None:
    unmark(train, 0, "tfrecord")
    other = dataclasses.replace(train.split.source, shards=4)
    wrong = ShardWork(train.resolved, dataclasses.replace(train.split, source=other))
    with pytest.raises(TransientError, match="another number of shards; it is made anew"):
        wrong.make(0)


def test_a_request_is_read_by_the_same_program(train: ShardWork) -> None:
    opened = work.works(work.request(train.resolved))
    assert set(opened) == set(train.resolved.splits)
    assert opened["train"].missing() == []


def test_what_is_no_request_is_refused() -> None:
    with pytest.raises(OutputDamaged, match="another form"):
        work.works("{}")


def older(asked: ShardTerms, **changed: object) -> ShardTerms:
    writer, *others = asked.writers
    return structs.replace(asked, writers=(structs.replace(writer, **changed), *others))


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"version": 1234}, "version 1234 of its writer"),
        ({"codec": "pillow 1.0 / libjpeg 6"}, "codec pillow 1.0 / libjpeg 6"),
        ({"output": "0123456789ab"}, "0123456789ab"),
    ],
)
def test_another_program_is_refused_and_both_are_named(
    train: ShardWork, changed: dict[str, object], named: str
) -> None:
    here = terms.of(train.split)
    terms.check(here, train.split)
    with pytest.raises(UsageError, match="writes none") as refused:
        terms.check(older(here, **changed), train.split)
    assert named in str(refused.value.expected)
    assert f"version {here.writers[0].version} of its writer" in str(refused.value.found)


def test_other_images_are_refused(train: ShardWork) -> None:
    here = terms.of(train.split)
    with pytest.raises(UsageError, match="writes none") as refused:
        terms.check(structs.replace(here, shards="0123456789ab"), train.split)
    assert "0123456789ab" in str(refused.value.expected)
    assert here.shards in str(refused.value.found)


def test_a_request_of_an_older_program_writes_nothing(
    train: ShardWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    for shard in range(3):
        unmark(train, shard, "tfrecord")
    with monkeypatch.context() as patch:
        patch.setattr(ALL["tfrecord"], "version", 1234)
        resolve.cache_clear()
        asked = work.request(resolve(train.resolved.job))
    resolve.cache_clear()
    with pytest.raises(UsageError, match="writes none"):
        work.works(asked)
    assert train.missing() == [0, 1, 2]


def test_what_was_kept_of_planned_shards_is_found_whatever_version_looks(
    train: ShardWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved, split = train.resolved, train.split
    assert terms.kept(resolved.out, split) is None
    terms.keep(resolved.out, split)
    kept = terms.kept(resolved.out, split)
    assert kept == terms.of(split)
    monkeypatch.setattr(ALL["recordio"], "version", 1234)
    resolve.cache_clear()
    newer = resolve(resolved.job).splits["train"]
    assert terms.kept(resolved.out, newer) == kept
    with pytest.raises(UsageError, match="writes none"):
        terms.check(kept, newer)
