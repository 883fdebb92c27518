"""How many processes the tasks of a command give a shard, and that its bytes are the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commands import prepare
from drawnlists import ALL_FORMATS, ListedSet
from finishedoutputs import of_list_in_all_formats
from support import RawSet, products

from pipeline.shards import work
from pipeline.shards.write import write_shard

RESIZED = (*ALL_FORMATS, "--resize", 20)


@pytest.fixture
def listed() -> ListedSet:
    drawn, _ = of_list_in_all_formats()
    return drawn


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many processes each shard was given, in a command with six workers."""
    counts: list[int] = []

    def noting(*arguments: Any, processes: int, **options: Any) -> int:
        counts.append(processes)
        return write_shard(*arguments, processes=processes, **options)

    monkeypatch.setattr(work, "write_shard", noting)
    monkeypatch.setattr("tasks.shards.worker_count", lambda: 6)
    return counts


def test_the_fewer_shards_are_left_the_more_processes_has_each(
    listed: ListedSet, out: Path, given: list[int]
) -> None:
    run = listed.prepare_here(out, *RESIZED, "--shards", 4)
    assert run.returncode == 0, run.stderr
    assert given == [1, 2, 3, 6]


def test_the_bytes_of_the_output_do_not_tell_how_many_there_were(
    listed: ListedSet, out: Path, given: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for workers in (1, 2, 3, 5):
        monkeypatch.setattr("tasks.shards.worker_count", lambda workers=workers: workers)
        run = listed.prepare_here(out / str(workers), *RESIZED, "--shards", 1)
        assert run.returncode == 0, run.stderr
    assert given == [1, 2, 3, 5]
    first, *others = (products(out / str(workers)) for workers in (1, 2, 3, 5))
    assert others == [first] * 3


@pytest.mark.parametrize("options", [(), ("--transcode",), ("--orientation", "bake")])
def test_images_that_are_stored_as_they_are_have_one_process(
    listed: ListedSet, out: Path, given: list[int], options: tuple[str, ...]
) -> None:
    run = listed.prepare_here(out, *ALL_FORMATS, *options, "--shards", 1)
    assert run.returncode == 0, run.stderr
    assert given == [1]


def test_splits_share_the_workers(sample: RawSet, out: Path, given: list[int]) -> None:
    run = prepare(sample, out, "--resize", 20, "--shards", "train=1", "--shards", "validation=1")
    assert run.returncode == 0, run.stderr
    first, last = given
    assert 1 <= first <= 3
    assert last > first
