"""Which records each reader of an epoch reads, and in which order: every record, once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.loaders.division import Consumer, check_world, share
from pipeline.loaders.order import SHARDS_AT_ONCE, Order, seed_of

counts_of_shards = st.lists(st.integers(0, 40), max_size=20).map(tuple)
seeds = st.none() | st.integers(0, 1 << 64)


def everybody(size: int, workers: int) -> list[Consumer]:
    return [
        Consumer(rank, size, worker, workers) for rank in range(size) for worker in range(workers)
    ]


@given(counts_of_shards, seeds, st.integers(0, 1 << 40), st.integers(1, 4), st.integers(1, 4))
def test_all_readers_together_read_every_record_once(
    counts: tuple[int, ...], seed: int | None, epoch: int, size: int, workers: int
) -> None:
    order = Order(counts, seed)
    read = [order.epoch(epoch, each) for each in everybody(size, workers)]
    assert sorted(np.concatenate(read).tolist()) == list(range(sum(counts)))
    assert [len(each) for each in read] == [order.length(each) for each in everybody(size, workers)]


@given(counts_of_shards, seeds, st.integers(1, 4), st.integers(1, 4))
def test_ranks_and_the_workers_of_a_rank_differ_by_one_record_at_most(
    counts: tuple[int, ...], seed: int | None, size: int, workers: int
) -> None:
    order = Order(counts, seed)
    ranks = [order.length(Consumer(rank, size)) for rank in range(size)]
    assert max(ranks) - min(ranks) <= 1
    of_one = [order.length(Consumer(0, size, worker, workers)) for worker in range(workers)]
    assert max(of_one) - min(of_one) <= 1
    assert sum(of_one) == ranks[0]


@given(counts_of_shards, seeds, st.integers(0, 5), st.integers(1, 4), st.integers(1, 4))
def test_a_rank_has_the_same_records_in_each_epoch_and_with_any_workers(
    counts: tuple[int, ...], seed: int | None, epoch: int, size: int, workers: int
) -> None:
    order = Order(counts, seed)
    alone = order.epoch(0, Consumer(size - 1, size))
    read = [
        order.epoch(epoch, Consumer(size - 1, size, worker, workers)) for worker in range(workers)
    ]
    assert sorted(np.concatenate(read).tolist()) == sorted(alone.tolist())


def test_without_a_seed_records_come_by_number() -> None:
    assert Order((3, 4)).epoch(7, Consumer()).tolist() == list(range(7))


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    orders = {
        (seed, epoch): tuple(Order((50, 50), seed).epoch(epoch, Consumer()).tolist())
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(set(orders.values())) == 9
    again = Order((50, 50), 2).epoch(1, Consumer())
    assert orders[2, 1] == tuple(again.tolist())


def test_the_order_is_this_one_for_ever() -> None:
    """A state that is saved today is loaded by a later version, with another NumPy."""
    expected = [2, 3, 7, 5, 11, 4, 10, 9, 1, 0, 8, 6]
    assert Order((4, 3, 5), 7).epoch(2, Consumer()).tolist() == expected


def test_records_of_many_shards_are_mixed_and_few_shards_are_open() -> None:
    each, shards = 10, 5 * SHARDS_AT_ONCE
    numbers = Order((each,) * shards, 1).epoch(0, Consumer())
    windows = numbers.reshape(5, -1) // each
    assert all(len(set(window.tolist())) == SHARDS_AT_ONCE for window in windows)
    assert all(len(set(window[:SHARDS_AT_ONCE].tolist())) > 4 for window in windows)
    assert numbers[:each].tolist() != sorted(numbers[:each].tolist())


def test_a_share_of_nothing_is_nothing() -> None:
    assert [len(share(2, index, 5)) for index in range(5)] == [0, 0, 1, 0, 1]
    assert Order(()).epoch(0, Consumer()).tolist() == []


@pytest.mark.parametrize("world", [(0, 0), (-1, 2), (2, 2)])
def test_a_world_that_cannot_be_is_refused(world: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="world"):
        check_world(world)


def test_seeds_and_epochs_may_be_numbers_of_numpy() -> None:
    seed = seed_of(np.int64(3), shuffle=True)
    assert seed_of(np.int64(3), shuffle=False) is None
    expected = Order((5, 4), 3).epoch(2, Consumer())
    assert np.array_equal(Order((5, 4), seed).epoch(np.int64(2), Consumer()), expected)


def test_a_seed_is_drawn_where_none_is_given() -> None:
    assert len({seed_of(None, shuffle=True) for _ in range(3)}) == 3
