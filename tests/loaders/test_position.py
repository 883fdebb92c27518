"""Where an epoch stands: saved, loaded, and counted from the batches of workers by turns."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.loaders.position import (
    Position,
    Terms,
    after_batches,
    loaded,
    loaded_alone,
    reached,
    saved,
)

TERMS = Terms("0123456789ab", 1, 2, 7)
HERE = Position(3, (5, 4), 1)
LENGTH = 11  # 5 records of one worker, and 6 of the other


def batches_by_turns(
    parts: list[list[int]], start: Position, size: int, *, drop_last: bool
) -> Iterator[list[int]]:
    """Give batches as a loader does whose workers each begin where a position says."""
    workers = range(len(parts))
    queues = [parts[start.part(worker)][start.taken[start.part(worker)] :] for worker in workers]
    while any(queues):
        for queue in queues:
            batch, queue[:size] = queue[:size], []
            if len(batch) == size or (batch and not drop_last):
                yield batch


@given(
    st.integers(0, 60),
    st.integers(1, 5),
    st.integers(1, 7),
    st.booleans(),
    st.lists(st.integers(0, 30), max_size=3),
)
def test_what_follows_a_position_is_what_would_have_followed(
    total: int, workers: int, size: int, drop_last: bool, steps: list[int]
) -> None:
    cuts = [total * at // workers for at in range(workers + 1)]
    parts = [list(range(first, last)) for first, last in pairwise(cuts)]
    here = Position(0, (0,) * workers)
    whole = list(batches_by_turns(parts, here, size, drop_last=drop_last))
    given = 0
    for step in steps:  # as often as it is interrupted
        lengths = [len(part) for part in parts]
        here = after_batches(lengths, here, step, size, drop_last=drop_last)
        given += step
        rest = list(batches_by_turns(parts, here, size, drop_last=drop_last))
        assert rest == whole[given:]


def test_a_position_is_plain_data() -> None:
    text = json.dumps(saved(HERE, TERMS))
    assert loaded(json.loads(text), TERMS, LENGTH) == HERE


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (replace(TERMS, shards="another"), "another shards"),
        (replace(TERMS, rank=0), "another rank"),
        (replace(TERMS, size=4), "another size"),
        (replace(TERMS, seed=None), "another seed"),
    ],
)
def test_a_position_among_other_records_is_refused(terms: Terms, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        loaded(saved(HERE, TERMS), terms, LENGTH)


@pytest.mark.parametrize(
    "changed",
    [{"taken": []}, {"taken": [-1]}, {"turn": 2}, {"world": [1]}, {"epoch": "x"}, {"taken": 3}],
)
def test_what_is_no_position_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="no state"):
        loaded({**saved(HERE, TERMS), **changed}, TERMS, LENGTH)
    with pytest.raises(UsageError, match="no state"):
        loaded({}, TERMS, LENGTH)


@pytest.mark.parametrize("taken", [(6, 0), (0, 7), (1 << 70, 0)])
def test_a_state_of_more_records_than_there_are_is_refused(taken: tuple[int, int]) -> None:
    whole = Position(3, (5, 6))
    assert loaded(saved(whole, TERMS), TERMS, LENGTH) == whole
    with pytest.raises(UsageError, match="more records than there are"):
        loaded(saved(Position(3, taken), TERMS), TERMS, LENGTH)


def test_a_reader_without_workers_takes_no_state_of_some() -> None:
    alone = Position(3, (11,))
    assert loaded_alone(saved(alone, TERMS), TERMS, LENGTH) == alone
    with pytest.raises(UsageError, match="another number of workers"):
        loaded_alone(saved(HERE, TERMS), TERMS, LENGTH)


def test_behind_the_last_record_of_an_epoch_the_next_begins() -> None:
    assert reached(3, 10, LENGTH) == Position(3, (10,))
    assert [reached(3, taken, LENGTH) for taken in (11, 16)] == [Position(4)] * 2


def test_a_worker_reads_the_part_whose_turn_it_is() -> None:
    assert [replace(HERE, taken=(0,) * 3).part(worker) for worker in range(3)] == [1, 2, 0]
