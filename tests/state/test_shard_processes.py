"""How many processes encode one shard: never more in all than there are workers, never none."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pipeline.job.artifacts import CATALOG, LINK, MANIFEST, PLAN, SHARDS, Artifact, name_of
from pipeline.job.graph import Graph
from pipeline.state.shard_processes import SplitWork, processes_of_a_shard, work_left

ONE = SplitWork(before=0, shards=1, after=2)


@pytest.mark.parametrize(
    ("workers", "splits", "others", "processes"),
    [
        (1, [ONE], 0, 1),
        (2, [ONE], 0, 2),
        (16, [ONE], 0, 16),
        (16, [ONE], 3, 13),  # which may be at work meanwhile
        (16, [ONE, ONE], 0, 8),
        (16, [SplitWork(0, 8, 2)], 0, 2),
        (16, [SplitWork(0, 9, 2)], 0, 1),
        (16, [ONE, SplitWork(5, 1, 2)], 0, 8),
        (4, [ONE, SplitWork(3, 1, 2)], 0, 1),  # the other's archives are verified meanwhile
        (6, [ONE, SplitWork(3, 1, 2)], 0, 3),
        (3, [ONE, SplitWork(0, 1, 2)], 0, 1),  # or one ends, and its exports are made
        (4, [ONE, SplitWork(0, 1, 2)], 0, 2),
        (2, [ONE], 1, 1),
        (2, [SplitWork(0, 1000, 2)], 7, 1),
        (3, [SplitWork(0, 1, 5)], 0, 3),  # its own exports come when its shards are there
    ],
)
def test_workers_are_shared_among_the_tasks_that_may_be_at_work(
    workers: int, splits: list[SplitWork], others: int, processes: int
) -> None:
    assert processes_of_a_shard(workers, splits, others) == processes


def test_tasks_that_begin_one_after_another_never_have_more_processes_than_workers(
    chance: random.Random,
) -> None:
    for _ in range(200):
        workers, left, others = chance.randint(1, 20), chance.randint(1, 12), chance.randint(0, 5)
        at_work: list[int] = []
        while left or at_work:
            if left > len(at_work) and len(at_work) < workers and chance.random() < 0.6:
                at_work.append(processes_of_a_shard(workers, [SplitWork(0, left, 1)], others))
            elif at_work:
                at_work.pop(chance.randrange(len(at_work)))
                left -= 1
                others = chance.randint(0, others)
            most = max(workers, len(at_work) + others)  # these Luigi starts whatever shards have
            assert sum(at_work) + others <= most


def artifact(kind: str, split: str, *needs: str, variant: str = "") -> Artifact:
    place = (Path(f"{kind}-{split}"),)
    return Artifact(
        kind=kind, split=split, variant=variant, digest="0", files=place, needs=needs, step=kind
    )


def chain(split: str) -> list[Artifact]:
    made = [artifact(CATALOG, split)]
    for kind in (PLAN, SHARDS, MANIFEST, LINK):
        made.append(artifact(kind, split, made[-1].name))
    return made


def test_what_a_split_still_needs_and_what_needs_it_is_not_done_beside_it() -> None:
    both = [*chain("train"), *chain("validation")]
    tables = artifact("lists", "train", name_of(CATALOG, "train"))
    every = artifact("croissant", "", *(name_of(MANIFEST, each.split) for each in both[::5]))
    artifacts = {each.name: each for each in (*both, tables, every)}
    graph = Graph(artifacts, (every.name,))
    pending = [*both[2:5], *both[5:], tables, every]  # the plan of the first split is made

    def tasks(of: Artifact) -> int:
        return 6 if of.kind == SHARDS and of.split == "train" else 1

    assert work_left(graph, pending, tasks) == (
        [SplitWork(before=0, shards=6, after=2), SplitWork(before=2, shards=1, after=2)],
        1,
    )
    assert work_left(graph, [every], tasks) == ([], 1)
