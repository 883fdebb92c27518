"""Which announced ranges come by one request."""

from __future__ import annotations

import pytest

from pipeline.storage.http.announced import GAP, LARGEST, Announced, Group, Key


def groups(*keys: Key) -> list[tuple[str, int, int]]:
    announced = Announced()
    for key in keys:
        announced.add(key)
    announced.close()
    closed = [announced.find(key) for key in keys]
    return list(dict.fromkeys((each.source, each.start, each.end) for each in closed if each))


@pytest.mark.parametrize(
    ("keys", "requests"),
    [
        ([("a", 0, 10), ("a", 10, 5)], [("a", 0, 15)]),
        ([("a", 0, 10), ("a", 10 + GAP - 1, 5)], [("a", 0, 14 + GAP)]),
        ([("a", 0, 10), ("a", 10 + GAP, 5)], [("a", 0, 10), ("a", 10 + GAP, 15 + GAP)]),
        ([("a", 100, 10), ("a", 0, 10)], [("a", 100, 110), ("a", 0, 10)]),
        ([("a", 0, 10), ("b", 10, 5)], [("a", 0, 10), ("b", 10, 15)]),
        ([("a", 0, LARGEST), ("a", LARGEST, 1)], [("a", 0, LARGEST), ("a", LARGEST, LARGEST + 1)]),
        ([("a", 0, 100), ("a", 20, 10)], [("a", 0, 100)]),
        ([("a", 0, 10), ("a", 0, 10)], [("a", 0, 10)]),
    ],
    ids=["touching", "a gap", "a wide gap", "backwards", "sources", "too long", "inside", "twice"],
)  # fmt: skip
def test_neighbours_are_joined(keys: list[Key], requests: list[tuple[str, int, int]]) -> None:
    assert groups(*keys) == requests


def test_the_last_group_waits_for_its_neighbours() -> None:
    announced = Announced()
    announced.add(("a", 0, 10))
    assert announced.due(100) is None
    announced.add(("a", 10, 10))
    assert announced.due(100) is None
    announced.add(("b", 0, 10))
    assert announced.due(100) is announced.find(("a", 0, 10))


def test_no_more_is_asked_for_than_there_is_room_for() -> None:
    announced = Announced()
    keys = [("a", 0, 60), ("b", 0, 60), ("c", 0, 300)]
    for key in keys:
        announced.add(key)
    announced.close()

    def ask() -> Group | None:
        group = announced.due(100)
        if group is not None:
            announced.asked(group, object())  # type: ignore[arg-type] # nobody looks at it
        return group

    first = ask()
    assert (first, ask()) == (announced.find(keys[0]), None)
    assert first is not None
    announced.read(first, keys[0])
    second = ask()
    assert second is announced.find(keys[1])
    assert second is not None
    announced.drop(second)
    assert ask() is announced.find(keys[2])  # more than there is room for, alone
