"""Orders and boundaries, pinned: another version of the program must place every image alike."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.catalog import order as sharding
from pipeline.catalog.order import (
    MOST_TASKS,
    SEED_LIMIT,
    boundaries,
    by_hash,
    check_threads,
    hash_buckets,
    key_hashes,
    permutation,
    shards_at_once,
)
from pipeline.errors import UsageError

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

# The first images of random.seed(12345); random.shuffle(list(range(n))), by CPython 3.
INCEPTION = [33095, 14355, 19271, 49917, 26903]
"""The first of 50,000 images, as TensorFlow's script shuffles them."""

text_keys = st.lists(st.text(st.characters(codec="utf-8")), unique=True)
seeds = st.integers(0, SEED_LIMIT - 1)
class_names = st.sets(st.integers(1, 30_000), min_size=1, max_size=12)
class_sets = st.dictionaries(st.sampled_from(range(5)), class_names, min_size=1)


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


@given(
    text_keys,
    seeds,
    st.randoms(use_true_random=False),
    st.sampled_from(("hash", "name", "inception")),
)
def test_no_order_depends_on_how_the_keys_were_listed(
    keys: list[str], seed: int, chance: random.Random, order: str
) -> None:
    shuffled = chance.sample(keys, len(keys))
    first, second = (
        [
            names[place]
            for place in permutation(names, order, seed, [f"n{len(name) % 3}" for name in names])
        ]
        for names in (keys, shuffled)
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


def test_the_inception_order_is_pinned() -> None:
    keys = [f"{number:07d}" for number in range(50_000)]
    assert permutation(keys, "inception", 0, [""] * len(keys))[:5].tolist() == INCEPTION


def test_the_inception_order_cannot_do_without_classes() -> None:
    with pytest.raises(ValueError, match="class"):
        permutation(KEYS, "inception", 0)
    with pytest.raises(ValueError, match="length"):
        permutation(KEYS, "inception", 0, ["n01440764"])


def files_by_the_scripts(
    classes: Mapping[str, list[str]], shards: int, threads: int
) -> dict[int, list[str]]:
    """Shard -> files, as build_imagenet_data.py hands them out."""
    files = []
    for synset in sorted(classes):
        files += sorted(classes[synset])
    index = list(range(len(files)))
    random.Random(12345).shuffle(index)
    files = [files[i] for i in index]

    spacing = np.linspace(0, len(files), threads + 1).astype(int)
    ranges = [(spacing[i], spacing[i + 1]) for i in range(threads)]
    assert shards % threads == 0
    per_batch = shards // threads
    written = {}
    for thread, (lowest, highest) in enumerate(ranges):
        edges = np.linspace(lowest, highest, per_batch + 1).astype(int)
        for s in range(per_batch):
            chosen = np.arange(edges[s], edges[s + 1], dtype=int)
            written[thread * per_batch + s] = [files[i] for i in chosen]
    return written


@given(class_sets, st.booleans(), st.randoms(use_true_random=False), st.data())
def test_the_inception_order_makes_the_shards_of_the_scripts(
    numbers: dict[int, set[int]], flat: bool, chance: random.Random, data: st.DataObject
) -> None:
    def key(rank: int, number: int) -> str:
        # in a flat split the names do not say the class, and run across the classes
        return f"{number:05d}_{rank}.JPEG" if flat else f"n{rank}/n{rank}_{number}.JPEG"

    classes = {f"n{rank}": [key(rank, each) for each in found] for rank, found in numbers.items()}
    listed = [(wnid, file) for wnid, files in classes.items() for file in files]
    chance.shuffle(listed)
    groups, keys = zip(*listed, strict=True)
    threads = data.draw(st.integers(1, len(keys)))
    shards = threads * data.draw(st.integers(1, len(keys) // threads))
    order = permutation(keys, "inception", 0, groups)
    places = boundaries(len(keys), shards, threads)
    made = {
        shard: [keys[place] for place in order[start:stop]]
        for shard, (start, stop) in enumerate(pairwise(places))
    }
    assert made == files_by_the_scripts(classes, shards, threads)


@pytest.mark.parametrize("threads", [1, 2, 8, 16, 64, 128])
@pytest.mark.parametrize(
    ("images", "shards", "sizes"),
    [
        (50_000, 128, {390: 48, 391: 80}),
        (1_281_167, 1024, {1251: 881, 1252: 143}),
    ],
    ids=["validation", "train"],
)
def test_the_threads_leave_the_sizes_of_imagenets_shards_alone(
    images: int, shards: int, sizes: dict[int, int], threads: int
) -> None:
    found = np.diff(boundaries(images, shards, threads)).tolist()
    assert {size: found.count(size) for size in set(found)} == sizes


def test_the_threads_decide_which_shards_are_the_larger_ones() -> None:
    first = {threads: np.diff(boundaries(50_000, 128, threads))[:6].tolist() for threads in (8, 64)}
    assert first == {8: [390, 391, 390, 391, 391, 390], 64: [390, 391, 390, 391, 390, 391]}


@given(st.data())
def test_shards_of_threads_differ_by_one_image_at_most_and_hold_all(data: st.DataObject) -> None:
    images = data.draw(st.integers(1, 2_000_000))
    threads = data.draw(st.integers(1, min(images, 64)))
    shards = threads * data.draw(st.integers(1, min(images // threads, 100)))
    check_threads(shards, threads, images, "train")
    sizes = np.diff(boundaries(images, shards, threads))
    assert (len(sizes), sizes.sum()) == (shards, images)
    assert sizes.min() >= 1
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize(
    ("shards", "threads", "images", "remedy"),
    [
        (12, 8, 100, "say --inception-threads 6 or --shards validation=16"),
        (12, 8, 15, "say --inception-threads 6 or --shards validation=8"),
        (2, 8, 24, "say --inception-threads 2 or --shards validation=8"),
        (2, 8, 7, "say --inception-threads 2"),
        (7, 4, 100, "say --inception-threads 1 or --shards validation=8"),
        (10, 0, 100, "say --inception-threads 1"),
        (10, 10**12, 100, "say --inception-threads 10"),
    ],
)
def test_threads_that_do_not_divide_the_shards_are_refused_with_what_would_fit(
    shards: int, threads: int, images: int, remedy: str
) -> None:
    with pytest.raises(UsageError, match=f"--inception-threads {threads} .* validation=") as caught:
        check_threads(shards, threads, images, "validation")
    assert caught.value.remedy == remedy


@pytest.mark.parametrize("shards", [0, 8])
def test_threads_that_would_leave_a_shard_empty_are_refused(shards: int) -> None:
    with pytest.raises(UsageError, match=f"--shards validation={shards}: a shard would be empty"):
        check_threads(shards, 4, 7, "validation")


@pytest.mark.parametrize(
    ("images", "shards", "at_once"),
    [(1_281_167, 1_024, 3), (50_000, 128, 10), (10_000, 64, 8), (200, 48, 6), (200, 12, 1)],
)
def test_a_task_writes_few_shards_unless_they_are_small_and_many(
    images: int, shards: int, at_once: int
) -> None:
    assert shards_at_once(images, shards) == at_once
    assert shards_at_once(1000 * images, shards) == -(-shards // MOST_TASKS)


@pytest.mark.parametrize(("shards", "at_once"), [(1000, 1), (1001, 2), (10_000, 10), (10_001, 11)])
def test_a_split_has_at_most_a_thousand_tasks(shards: int, at_once: int) -> None:
    """However large the shards are: Luigi's scheduler is quadratic in the tasks that wait."""
    assert shards_at_once(1 << 40, shards) == at_once
    assert -(-shards // at_once) <= MOST_TASKS


@given(text_keys, seeds, st.integers(1, 40))
def test_buckets_follow_each_other_in_the_hash_order(
    keys: list[str], seed: int, count: int
) -> None:
    numbers = hash_buckets(key_hashes(keys, seed), count)[permutation(keys, "hash", seed)].tolist()
    assert numbers == sorted(numbers)
    assert set(numbers) <= set(range(count))


@pytest.mark.parametrize("keys", [["ü", "b", "a"], pa.chunked_array([["ü"], ["b", "a"]])])
def test_keys_of_equal_hash_are_ordered_by_key_in_a_column_too(keys: Any) -> None:
    hashes = np.array([b"x" * 16] * 3, "S16")
    assert by_hash(hashes, keys).tolist() == [2, 1, 0]
