"""Shards whose images are read in the order of their archives: the same bytes, and no damage."""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path

import inprocess
import pytest
from commands import prepare
from sortedjobs import TINY, begun, flip, job, segments
from support import RawSet, products

from pipeline import paths, storage
from pipeline.errors import EnvironmentRefused, MemberDiffers, OutputDamaged, TransientError
from pipeline.formats.registry import FORMATS
from pipeline.images.prepare import ImageOptions
from pipeline.job.resolve import resolve
from pipeline.segments import of_split, places, sort
from pipeline.segments.read import SortedSegments
from pipeline.shards.work import ShardWork
from pipeline.state.inventory import Inventory
from tasks.artifact_tasks import tasks_of

TRAIN = "segments-train"
WORDS = ("--no-boxes", "--shards", "train=3,validation=2")


def make_all(work: ShardWork) -> None:
    """Write the shards of a split that are missing."""
    for shard in work.missing():
        work.make(shard)


@pytest.mark.parametrize("image", [ImageOptions(), ImageOptions(resize=24)], ids=["", "resized"])
def test_shards_of_all_formats_have_the_bytes_of_the_other_order(
    small: RawSet, out: Path, tmp_path: Path, image: ImageOptions
) -> None:
    options = {"formats": tuple(FORMATS), "image": image}
    begun(small, tmp_path / "other", read_order="shard", **options)
    resolved = begun(small, out, TRAIN, "segments-validation", **options)
    assert len(segments(resolved, "train")) > 2
    assert len(segments(resolved, "validation")) > 1
    begun(small, out, **options)
    assert products(out) == products(tmp_path / "other")
    assert segments(resolved, "train") == segments(resolved, "validation") == []


def test_a_command_gives_the_same_output_and_state(
    small: RawSet, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepare(small, tmp_path / "other", *WORDS).returncode == 0
    where = ("--raw", small.raw, "--config", small.config, "--out", out)
    order = ("--read-order", "archive", "--segment-size", TINY)
    ended = inprocess.shardmill(monkeypatch, "imagenet", *where, *WORDS, *order)
    assert ended.status == 0, ended.said
    assert products(out) == products(tmp_path / "other")

    def state(folder: Path) -> set[str]:
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.json")}
        return {name for name in names if not name.startswith((".shardmill/runs", ".shardmill/le"))}

    assert state(out) == state(tmp_path / "other")
    assert not list(out.rglob("*.images"))
    inprocess.forget()
    ended = inprocess.shardmill(monkeypatch, "imagenet", *where, *WORDS, *order)
    assert "already complete" in ended.said


def test_images_that_several_processes_prepare_are_the_same(
    small: RawSet, out: Path, tmp_path: Path
) -> None:
    image = ImageOptions(resize=24)
    begun(small, tmp_path / "other", read_order="shard", image=image)
    resolved = begun(small, out, TRAIN, image=image)
    work = ShardWork(resolved, resolved.splits["train"])
    assert work.make(1, processes=2).images > 0
    name = f"tfrecord/train/{work.split.outputs[0].digest}/train-00001-of-00003"
    assert (out / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


@pytest.mark.parametrize("what", ["an image", "the index", "cut", "gone", "its mark"])
def test_a_segment_that_is_damaged_is_never_used_and_made_anew(
    small: RawSet, out: Path, what: str
) -> None:
    resolved = begun(small, out, TRAIN)
    first = segments(resolved, "train")[0]
    before = first.read_bytes()
    if what in {"an image", "the index"}:
        flip(first, 100 if what == "an image" else -1)
    elif what == "cut":
        first.write_bytes(before[:50])
    elif what == "gone":
        first.unlink()
    else:
        flip(first.with_suffix(".json"), 40)
    work = ShardWork(resolved, resolved.splits["train"])
    with pytest.raises(TransientError, match="it is made anew") as refused:
        make_all(work)
    assert str(first) in str(refused.value)
    assert "--read-order shard" in str(refused.value)
    begun(small, out, TRAIN)
    assert first.read_bytes() == before
    begun(small, out)
    assert not work.missing()


def test_damage_is_found_where_no_hashes_of_images_are_kept(small: RawSet, out: Path) -> None:
    resolved = begun(small, out, TRAIN)
    for table in (out / ".shardmill/archives").glob("*.members.*"):
        table.unlink()
    flip(segments(resolved, "train")[1], 2000)
    work = ShardWork(resolved, resolved.splits["train"])
    with pytest.raises(TransientError, match="not as it was written"):
        make_all(work)


def test_an_image_that_differs_from_the_archive_has_its_segment_made_anew(
    small: RawSet, out: Path
) -> None:
    resolved = begun(small, out, TRAIN)
    work = ShardWork(resolved, resolved.splits["train"])
    sorted_ones = SortedSegments(out, of_split.layout_of(resolved, work.split))
    rows = work._plan.rows(0)
    with sorted_ones.opening(0, rows, resolved.root)() as sources:
        row = rows.slice(0, 1).to_pylist()[0]
        where = row["source"], row["offset"], row["length"]
        with storage.open_sources(resolved.root) as archives:
            assert sources.read(*where) == archives.read(*where)
        with pytest.raises(TransientError, match="not what it was when its archive was verified"):
            sources.not_cached(*where)
    digest = of_split.digest(resolved, work.split)
    marks = list(places.folder(out, digest).glob("0*.json"))
    assert len(marks) == len(segments(resolved, "train")) - 1
    assert not places.rows_mark(out, digest).exists()  # perhaps they lacked the hash


@pytest.mark.parametrize("after", [0, 38_000], ids=["the first image", "the second"])
def test_an_archive_with_a_flipped_bit_is_refused_and_verified_again(
    small: RawSet, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(sort, "_AT_ONCE", 1)  # one is held when the other is read
    mine = small.copy(tmp_path / "raw")
    begun(mine, out, "plan-train")
    archive = mine.raw / "ILSVRC2012_img_train.tar"
    seen, content = archive.stat(), archive.read_bytes()
    flip(archive, content.index(b"\xff\xd8\xff", after) + 500)
    os.utime(archive, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    with pytest.raises(MemberDiffers, match=r"ILSVRC2012_img_train\.tar"):
        begun(mine, out, TRAIN)
    inprocess.forget()
    resolved = resolve(job(mine, out))
    assert segments(resolved, "train") == []
    marks = (out / ".shardmill/archives").glob("ILSVRC2012_img_train.tar.[0-9]*.json")
    assert not list(marks)


def test_without_memory_for_a_segment_a_smaller_one_is_advised(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    begun(small, out, "plan-train")
    monkeypatch.setattr(mmap, "mmap", refuse)
    with pytest.raises(EnvironmentRefused, match="--segment-size"):
        begun(small, out, TRAIN)


def test_a_plan_that_is_damaged_is_made_anew(small: RawSet, out: Path) -> None:
    resolved = begun(small, out, "plan-train")
    split = resolved.splits["train"]
    plan = paths.plan(out, "train", split.plan_digest)
    whole = Path(plan).read_bytes()
    flip(Path(plan), whole.index(b"n02134418") + 3)  # in a key
    with pytest.raises((TransientError, OutputDamaged)):
        begun(small, out, TRAIN)
    begun(small, out, TRAIN)


def test_the_plan_is_read_once_for_all_segments(
    small: RawSet, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(small, out, "plan-train")
    opened = list[Path]()
    before = storage.open_arrow

    def noted(path: Path, *given: object) -> object:
        opened.append(path)
        return before(path, *given)

    monkeypatch.setattr(storage, "open_arrow", noted)
    resolved = begun(small, out, TRAIN)
    assert len(segments(resolved, "train")) > 2
    split = resolved.splits["train"]
    assert opened.count(paths.plan(out, "train", split.plan_digest)) == 1


@pytest.mark.parametrize("what", ["a row", "gone", "its mark"])
def test_rows_of_segments_that_are_damaged_are_made_anew(
    small: RawSet, out: Path, what: str
) -> None:
    resolved = begun(small, out, TRAIN)
    digest = of_split.digest(resolved, resolved.splits["train"])
    rows, sorted_ones = places.rows(out, digest), segments(resolved, "train")
    before = rows.read_bytes(), sorted_ones[0].read_bytes()
    for each in sorted_ones:
        each.with_suffix(".json").unlink()
    if what == "a row":
        flip(rows, 3)
        with pytest.raises(TransientError, match="it is made anew"):
            begun(small, out, TRAIN)
    elif what == "gone":
        rows.unlink()
    else:
        flip(rows.with_suffix(".json"), 40)
    begun(small, out, TRAIN)
    assert (rows.read_bytes(), sorted_ones[0].read_bytes()) == before


def test_rows_of_segments_are_a_step_of_their_own(small: RawSet, out: Path) -> None:
    resolved = begun(small, out, "plan-train")
    pending = [each.name for each in Inventory(resolved).pending([TRAIN])]
    assert pending == ["rows-train", TRAIN]
    begun(small, out, "rows-train")
    assert [each.name for each in Inventory(resolved).pending([TRAIN])] == [TRAIN]


def test_segments_are_sorted_one_at_a_time_front_to_back(small: RawSet, out: Path) -> None:
    tasks = tasks_of(resolve(job(small, out)), [TRAIN])
    assert len(tasks) > 2
    assert sorted(tasks, key=lambda task: task.priority, reverse=True) == tasks
    shared = {name for task in tasks for name in task.resources}
    assert len(shared) == 1
    assert all(0 < task.priority <= 1 for task in tasks)


def test_what_was_sorted_before_a_command_was_killed_is_kept(small: RawSet, out: Path) -> None:
    resolved = begun(small, out, TRAIN)
    made = segments(resolved, "train")
    before = [path.stat().st_ino for path in made[1:]]
    made[0].with_suffix(".json").unlink()
    begun(small, out, TRAIN)
    assert [path.stat().st_ino for path in made[1:]] == before
