"""Orders and boundaries, pinned: another version of the program must place every image alike."""

from __future__ import annotations

import hashlib
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import sharding
from pipeline.sharding import SEED_LIMIT, boundaries, permutation

KEYS = (
    "n01440764/n01440764_18.JPEG",
    "n01440764/n01440764_2.JPEG",
    "n15075141/n15075141_9993.JPEG",
    "ILSVRC2012_val_00000001.JPEG",
    "ILSVRC2012_val_00050000.JPEG",
    "straße/zürich_1.jpg",
    "写真/猫.jpg",
    "a",
)
GOLDEN = {
    0: [5, 7, 4, 3, 0, 1, 6, 2],
    2**64 - 1: [3, 5, 7, 6, 2, 4, 0, 1],
}

text_keys = st.lists(st.text(st.characters(codec="utf-8")), unique=True)
seeds = st.integers(0, SEED_LIMIT - 1)


def derived(key: str, seed: int) -> tuple[str, bytes]:
    """What the hash order sorts by, said again in other words."""
    keyed = hashlib.blake2b(
        key.encode("utf-8"), digest_size=16, key=bytes.fromhex(f"{seed:016x}")[::-1]
    )
    return keyed.hexdigest(), key.encode("utf-8")


@pytest.mark.parametrize("seed", GOLDEN)
def test_the_hash_order_is_pinned(seed: int) -> None:
    assert permutation(KEYS, "hash", seed).tolist() == GOLDEN[seed]


@given(text_keys, seeds)
def test_the_hash_order_sorts_by_the_keyed_blake2b(keys: list[str], seed: int) -> None:
    ordered = [keys[place] for place in permutation(keys, "hash", seed)]
    assert ordered == sorted(keys, key=lambda key: derived(key, seed))


@given(text_keys)
def test_the_name_order_sorts_by_utf8_bytes(keys: list[str]) -> None:
    ordered = [keys[place] for place in permutation(keys, "name", 0)]
    assert ordered == sorted(keys, key=str.encode)


@given(text_keys, seeds, st.randoms(use_true_random=False), st.sampled_from(sharding.ORDERS))
def test_no_order_depends_on_how_the_keys_were_listed(
    keys: list[str], seed: int, chance: random.Random, order: str
) -> None:
    shuffled = chance.sample(keys, len(keys))
    first, second = (
        [names[place] for place in permutation(names, order, seed)] for names in (keys, shuffled)
    )
    assert first == second


def test_keys_of_equal_hash_are_ordered_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sharding, "_hashes", lambda names, _: [hashlib.md5(name[:1]).digest() for name in names]
    )
    keys = ["b2", "a3", "b1", "a1", "c", "b3", "a2"]
    ordered = [keys[place] for place in permutation(keys, "hash", 0)]
    groups = sorted("abc", key=lambda first: hashlib.md5(first.encode()).digest())
    assert ordered == [key for first in groups for key in sorted(keys) if key.startswith(first)]


@given(st.data())
def test_shards_differ_by_one_image_at_most_and_hold_all(data: st.DataObject) -> None:
    images = data.draw(st.integers(1, 2_000_000))
    shards = data.draw(st.integers(1, min(images, 3000)))
    places = boundaries(images, shards)
    sizes = [stop - start for start, stop in pairwise(places)]
    assert (places[0], places[-1], len(sizes)) == (0, images, shards)
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 1


def test_imagenets_shards_have_the_familiar_sizes() -> None:
    places = boundaries(1_281_167, 1024)
    assert places[:4] == [0, 1251, 2502, 3753]
    assert {stop - start for start, stop in pairwise(places)} == {1251, 1252}
