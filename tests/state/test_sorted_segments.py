"""Sorted segments of archives go when no shard needs them, and not before."""

from __future__ import annotations

from pathlib import Path

import inprocess
import pytest
from support import RawSet

from pipeline.job.options import Job
from pipeline.job.resolve import ResolvedJob, resolve
from pipeline.segments import of_split, places
from pipeline.segments.rows import ROW
from pipeline.state import cleaning, sorted_segments, status
from pipeline.state.inventory import Inventory
from pipeline.storage.local import deleting
from pipeline.storage.removal import Doomed
from tasks.artifact_tasks import tasks_of


def job(raw: RawSet, out: Path, segment_bytes: int = 60_000, **options: object) -> Job:
    given: dict[str, object] = {"splits": ("validation",), "boxes": False}
    given |= {"read_order": "archive", "segment_bytes": segment_bytes}
    return raw.job(out, **(given | options))


@pytest.fixture
def begun(small: RawSet, out: Path) -> ResolvedJob:
    """A job whose archive is sorted, in segments of two sizes, and that has no shard."""
    for segment_bytes in (40_000, 60_000):
        resolved = resolve(job(small, out, segment_bytes))
        inprocess.build(tasks_of(resolved, ["segments-validation"]))
    status.record_job(resolved)
    return resolved


def folders(out: Path) -> set[str]:
    """Return the digests of the segments that are there."""
    there = places.every(out)
    return {path.name for path in there.iterdir()} if there.is_dir() else set()


def test_room_is_looked_for_and_status_says_what_is_left(small: RawSet, out: Path) -> None:
    resolved = resolve(job(small, out))
    split, words = resolved.splits["validation"], "find the images of each segment"
    layout, rows = of_split.layout_of(resolved, split), split.expected.images * ROW.itemsize
    assert sorted_segments.bytes_to_sort(Inventory(resolved)) == sum(layout.sizes) + rows
    (state,) = status.survey(Inventory(resolved))
    assert any(words in each for each in state.would_run)
    inprocess.build(tasks_of(resolved, ["rows-validation"]))
    assert sorted_segments.bytes_to_sort(Inventory(resolved)) < sum(layout.sizes) + 1
    (state,) = status.survey(Inventory(resolved))
    assert not any(words in each for each in state.would_run)


def test_they_stay_while_shards_are_missing(begun: ResolvedJob, out: Path) -> None:
    shards = begun.splits["validation"].shards_digest
    assert len(folders(out)) == 2
    cleaning.sweep(begun)
    assert sorted_segments.plans(out, {shards}) == {}
    assert sorted_segments.plans(out, None) == {}
    assert len(sorted_segments.plans(out, set())) == 2
    assert len(folders(out)) == 2
    assert sorted_segments.are_begun(begun)


def test_they_go_of_every_size_when_all_shards_are_there(begun: ResolvedJob, out: Path) -> None:
    inprocess.build(tasks_of(begun, ["shards-validation"]))
    assert len(folders(out)) == 2
    cleaning.sweep(begun)
    assert folders(out) == set()
    assert not sorted_segments.are_begun(begun)


def test_the_rest_of_a_removal_that_was_killed_goes_with_the_next_command(
    begun: ResolvedJob, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inprocess.build(tasks_of(begun, ["shards-validation"]))
    folder = places.folder(out, of_split.digest(begun, begun.splits["validation"]))
    files = sorted(path.name for path in folder.iterdir())
    removed = list[str]()
    before = deleting._remove_unchanged

    def killed(fd: int, item: Doomed) -> bool:
        if item.path.parent == folder and len(removed) == left:
            raise KeyboardInterrupt
        removed.extend([item.path.name] * (item.path.parent == folder))
        return before(fd, item)

    monkeypatch.setattr(deleting, "_remove_unchanged", killed)
    for left in range(1, len(files)):
        with pytest.raises(KeyboardInterrupt):
            cleaning.sweep(begun)
        assert len(list(folder.iterdir())) == len(files) - left
    monkeypatch.setattr(deleting, "_remove_unchanged", before)
    assert removed[-1] == "rows.bin"
    cleaning.sweep(begun)
    assert folders(out) == set()


def test_a_folder_that_a_killed_command_left_empty_goes(begun: ResolvedJob, out: Path) -> None:
    there = folders(out)
    (places.every(out) / ("0" * len(min(there)))).mkdir()
    cleaning.sweep(begun)
    assert folders(out) == there


def test_clean_removes_what_the_last_job_does_not_need(
    small: RawSet, begun: ResolvedJob, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = inprocess.shardmill(monkeypatch, "clean", out, "--yes")
    assert "nothing to remove" in ended.said
    other = resolve(job(small, out, order="name"))
    status.record_job(other)
    inprocess.build(tasks_of(other, ["segments-validation"]))
    stranger = places.folder(out, of_split.digest(begun, begun.splits["validation"])) / "notes.txt"
    stranger.write_text("mine")
    ended = inprocess.shardmill(monkeypatch, "clean", out, "--yes")
    assert "kept of archives, sorted by shard, and needed by no output" in ended.said
    assert folders(out) == {
        of_split.digest(other, other.splits["validation"]),
        stranger.parent.name,
    }
    assert list(stranger.parent.iterdir()) == [stranger]
