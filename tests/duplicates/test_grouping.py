"""Pairs of hashes against brute force, and the groups that they make."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.duplicates.grouping import UNKNOWN, Images, Members, grouped
from pipeline.duplicates.near_pairs import distances, near_pairs

_NEIGHBOURS = st.builds(
    lambda base, bits: base ^ sum(1 << bit for bit in bits),
    st.sampled_from([0, 0x0123456789ABCDEF, 0xFFFF_FFFF_0000_0000]),
    st.sets(st.integers(0, 63), max_size=10),
)


@given(st.sets(_NEIGHBOURS, max_size=40), st.integers(0, 8))
def test_all_pairs_within_a_distance_are_found_and_no_others(
    hashes: set[int], distance: int
) -> None:
    ordered = np.array(sorted(hashes), np.uint64)
    found = {
        frozenset(pair)
        for one, other in near_pairs(ordered, distance)
        for pair in zip(one.tolist(), other.tolist(), strict=True)
    }
    expected = {
        frozenset((one, other))
        for one, other in itertools.combinations(range(len(ordered)), 2)
        if (int(ordered[one]) ^ int(ordered[other])).bit_count() <= distance
    }
    assert found == expected


def test_planted_pairs_among_many_hashes_are_found() -> None:
    random = np.random.default_rng(7)
    hashes = random.integers(0, 1 << 63, 5000, np.uint64)
    hashes[:2000] &= np.uint64(0xFFFF)  # alike in three of four bands
    for place in range(100):
        bits = random.choice(64, 4, replace=False)
        hashes[4000 + place] = hashes[place * 39] ^ np.uint64(sum(1 << int(bit) for bit in bits))
    one, other = (np.concatenate(side) for side in zip(*near_pairs(hashes, 4), strict=True))
    found = {frozenset(pair) for pair in zip(one.tolist(), other.tolist(), strict=True)}
    assert {frozenset((place * 39, 4000 + place)) for place in range(100)} <= found
    assert (distances(hashes[one], hashes[other]) <= 4).all()


def images(*rows: tuple[int, int | None, int]) -> Images:
    """Return images of (content, hash, split)."""
    content = np.array([[0, row[0]] for row in rows], np.uint64).reshape(-1, 2)
    return Images(
        content,
        np.array([row[1] or 0 for row in rows], np.uint64),
        np.array([row[1] is not None for row in rows], np.bool_),
        np.array([row[2] for row in rows], np.int32),
    )


def listed(members: Members) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = {}
    for group, image in zip(members.group.tolist(), members.image.tolist(), strict=True):
        groups.setdefault(group, []).append(image)
    return groups


def test_groups_follow_equal_bytes_and_near_hashes_from_one_to_the_next() -> None:
    far = 0xFFFF_0000_0000
    members = grouped(images((1, far, 0), (2, 0, 0), (3, 3, 1), (4, 15, 1), (1, far, 1)), 2)
    assert listed(members) == {0: [0, 4], 1: [1, 2, 3]}
    assert members.distance.tolist() == [0, 0, 0, 2, 4]
    assert members.same_bytes.tolist() == [True, True, True, False, False]


def test_images_without_a_hash_are_compared_by_their_bytes() -> None:
    members = grouped(images((1, None, 0), (2, None, 0), (1, None, 1), (3, 0, 0)), 8)
    assert listed(members) == {0: [0, 2]}
    assert members.distance.tolist() == [UNKNOWN, UNKNOWN]


def test_nothing_is_in_no_group() -> None:
    assert listed(grouped(images(), 4)) == {}
    assert listed(grouped(images((1, 0, 0)), 4)) == {}


def test_many_images_of_one_hash_are_one_group() -> None:
    count = 100_000  # 5,000,000,000 pairs
    content = np.stack([np.zeros(count, np.uint64), np.arange(count, dtype=np.uint64)], 1)
    flat = Images(
        content,
        np.zeros(count, np.uint64),
        np.ones(count, np.bool_),
        np.zeros(count, np.int32),
    )
    assert listed(grouped(flat, 4)) == {0: list(range(count))}


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | _NEIGHBOURS, st.just(0)), max_size=25))
def test_groups_are_the_connected_parts(rows: list[tuple[int, int | None, int]]) -> None:
    linked = [
        (one, other)
        for one, other in itertools.combinations(range(len(rows)), 2)
        if rows[one][0] == rows[other][0]
        or (
            (first := rows[one][1]) is not None
            and (second := rows[other][1]) is not None
            and (first ^ second).bit_count() <= 3
        )
    ]
    parts = [{place} for place in range(len(rows))]
    for one, other in linked:
        a, b = (next(part for part in parts if place in part) for place in (one, other))
        if a is not b:
            parts.remove(b)
            a |= b
    expected = sorted(sorted(part) for part in parts if len(part) > 1)
    assert sorted(listed(grouped(images(*rows), 3)).values()) == expected
