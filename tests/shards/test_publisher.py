"""Work that is carried out beside the thread that gives it: one piece at a time, in order."""

from __future__ import annotations

import threading

import pytest

from pipeline.errors import NoSpace, RemoteUnavailable
from pipeline.shards.publisher import Publisher

_PATIENCE_S = 30.0


def test_a_piece_is_carried_out_while_its_owner_goes_on() -> None:
    gone_on = threading.Event()
    with Publisher() as publisher:
        publisher.begin(lambda: assert_set(gone_on))
        gone_on.set()


def test_one_piece_is_under_way_at_a_time_and_in_the_order_given() -> None:
    steps = list[str]()

    def piece(name: str) -> None:
        steps.append(f"{name} begins")
        steps.append(f"{name} ends")

    with Publisher() as publisher:
        for name in ("a", "b"):
            publisher.begin(lambda name=name: piece(name))  # type: ignore[misc]
            steps.append(f"{name} given")
    steps = [step for step in steps if not step.endswith("given")]
    assert steps == ["a begins", "a ends", "b begins", "b ends"]


def test_what_fails_is_raised_before_the_next_one_begins() -> None:
    begun = list[str]()
    with Publisher() as publisher:
        publisher.begin(refuse)
        with pytest.raises(RemoteUnavailable):
            publisher.begin(lambda: begun.append("the next"))
    assert begun == []


def test_what_fails_at_the_end_is_raised_too() -> None:
    with pytest.raises(RemoteUnavailable), Publisher() as publisher:
        publisher.begin(refuse)


def test_an_error_of_its_owner_counts_first_and_what_is_under_way_ends_before() -> None:
    failing, done = threading.Event(), list[str]()

    def piece() -> None:
        assert_set(failing)
        done.append("published")
        refuse()

    def owner() -> None:
        with Publisher() as publisher:
            publisher.begin(piece)
            failing.set()
            raise NoSpace("of the next shard")

    with pytest.raises(NoSpace):
        owner()
    assert done == ["published"]


def test_its_thread_ends_with_the_context() -> None:
    before = threading.active_count()
    with Publisher() as publisher:
        publisher.begin(lambda: None)
        publisher.wait()
    assert threading.active_count() == before


def refuse() -> None:
    raise RemoteUnavailable("the store is away")


def assert_set(event: threading.Event) -> None:
    assert event.wait(_PATIENCE_S)
