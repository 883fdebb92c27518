"""What an append makes of keys, shards, ids and names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from pipeline.catalog import generations, objects, order
from pipeline.catalog.generations import KnownImages, KnownKeys

BEFORE = (("d", "a"), ("c", "b"), ("e",))
IDS = np.array([3, 0, 2, 1, 4], np.uint64)
LABELS = np.array([7, 8, 9, -1, 7], np.int32)


@pytest.fixture
def before() -> KnownImages:
    return KnownImages(KnownKeys(BEFORE), IDS, LABELS, {})


def rows(
    keys: Sequence[str], first_id: int = 0, ids: Sequence[int] = (), labels: Sequence[int] = ()
) -> pa.Table:
    numbers = pa.array(ids or range(first_id, first_id + len(keys)), pa.uint64())
    classes = pa.array(labels or [-1] * len(keys), pa.int32())
    columns = {"key": pa.array(keys, pa.string()), "id": numbers, "class_index": classes}
    return pa.table(columns | {"length": [1] * len(keys)})


def test_known_keys_have_the_places_of_their_records() -> None:
    keys = KnownKeys(BEFORE)
    assert keys.places(["e", "a", "new", "d", "b"]).tolist() == [4, 1, -1, 0, 3]
    assert (len(keys), keys.sizes) == (5, [2, 2, 1])
    assert keys.places([]).tolist() == []


def test_keys_whose_hashes_begin_alike_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def hashes(keys: Sequence[str]) -> npt.NDArray[np.uint64]:
        return np.array([[1 + (key == "z"), ord(key)] for key in keys], np.uint64)

    monkeypatch.setattr(generations, "_hashes", hashes)
    keys = KnownKeys((("d", "a"), ("c", "z")))
    assert keys.places(["a", "b", "c", "d", "e", "z"]).tolist() == [1, -1, 2, 0, -1, 3]


def test_what_is_known_of_images_is_read_once() -> None:
    batches = (rows(keys, labels=[5] * len(keys)).to_batches()[0] for keys in BEFORE)
    known = KnownImages.of(_with_classes(each) for each in batches)
    assert known.ids.tolist() == [0, 1, 0, 1, 0]
    assert known.labels.tolist() == [5] * 5
    assert known.classes == {"dog": 5}
    assert known.keys.places(["b"]).tolist() == [3]


def _with_classes(batch: pa.RecordBatch) -> pa.RecordBatch:
    count = batch.num_rows
    none = np.zeros(0, np.int32)
    listed = objects.listed(
        np.zeros(count + 1, np.int32), np.zeros((0, 4), np.float32), none, pa.array([], pa.string())
    )
    texts = pa.array(["dog"] * count).dictionary_encode()
    return batch.append_column("class_text", texts).append_column("objects", listed)


def test_an_image_whose_path_is_named_a_second_time_has_the_place_that_it_had(
    before: KnownImages,
) -> None:
    now = rows(["d#3", "d#9", "a", "b#7"], ids=[3, 9, 0, 7])
    assert before.places(now).tolist() == [0, -1, 1, -1]
    twice = KnownImages(KnownKeys([("d#3", "d#9")]), np.array([3, 9], np.uint64), LABELS, {})
    assert twice.places(rows(["d"], ids=[9])).tolist() == [1]


def test_where_nothing_is_known_every_key_is_new() -> None:
    assert KnownKeys([]).places(["a", "b"]).tolist() == [-1, -1]


def test_what_stays_what_is_new_and_what_has_vanished(before: KnownImages) -> None:
    found = generations.compare(before, map(rows, (["a", "b", "x"], [], ["d", "y", "e"])))
    assert found == generations.Comparison(sizes=(2, 1, 1), new=2, vanished=1)


@pytest.mark.parametrize(
    ("new", "images", "shards", "expected"),
    [(0, 100, 10, 0), (1, 100, 10, 1), (14, 100, 10, 1), (16, 100, 10, 2), (3, 3, 9, 3)],
)
def test_new_shards_are_about_as_full_as_the_first_ones(
    new: int, images: int, shards: int, expected: int
) -> None:
    assert generations.shards_of_new(new, images, shards) == expected


def test_new_shards_come_behind_those_that_are_kept() -> None:
    assert generations.sizes((2, 0, 3), 5, 2) == [2, 0, 3, 2, 3]
    assert generations.sizes((2, 3), 0, 0) == [2, 3]


@pytest.mark.parametrize("name", ["hash", "name", "list", "im2rec"])
def test_what_was_there_keeps_its_order_and_new_images_have_that_which_is_asked_for(
    before: KnownImages, name: str
) -> None:
    keys = ["z", "a", "q", "b", "d", "m", "e"]  # of the old ones "c" has vanished
    ranks = generations.ranks(before, (rows(keys[:3]), rows(keys[3:])), name, seed=3)
    ordered = [keys[place] for place in np.argsort(ranks)]
    new = ["z", "q", "m"]
    assert ordered[:4] == ["d", "a", "b", "e"]
    assert ordered[4:] == [new[place] for place in order.permutation(new, name, 3)]


def test_images_keep_their_ids_and_new_ones_go_on_from_the_largest(before: KnownImages) -> None:
    tables = (rows(["a", "aa", "b"]), rows([]), rows(["bb", "e"], first_id=3))
    numbered = list(generations.renumbered(tables, before))
    assert [each["id"].to_pylist() for each in numbered] == [[0, 5, 1], [], [6, 4]]
    assert [each.schema for each in numbered] == [each.schema for each in tables]


@pytest.mark.parametrize(
    ("now", "moved"),
    [
        ({"cat": 0, "dog": 1}, None),
        ({"cat": 0, "dog": 1, "emu": 2}, None),
        ({"cat": 0}, None),
        ({"ant": 0, "cat": 1, "dog": 2}, "cat"),
        ({"cat": 0, "cow": 1, "dog": 2}, "dog"),
    ],
)
def test_a_class_that_is_there_keeps_its_index(now: dict[str, int], moved: str | None) -> None:
    assert generations.moved_class({"dog": 1, "cat": 0}, now) == moved


def test_classes_are_those_of_images_and_of_objects() -> None:
    boxes = np.zeros((2, 4), np.float32)
    listed = objects.listed(
        np.array([0, 0, 2], np.int32),
        boxes,
        np.array([7, 8], np.int32),
        pa.array(["hat", None], pa.string()),
    )
    batch = pa.RecordBatch.from_pydict(
        {
            "class_index": pa.array([1, -1], pa.int32()),
            "class_text": pa.array(["dog", ""]).dictionary_encode(),
            "objects": listed,
        }
    )
    assert dict(generations.classes_of(batch)) == {"dog": 1, "hat": 7}


def test_shards_that_are_not_kept_are_written_again_or_new() -> None:
    origins = generations.origins(["a", "b", "c"], {0}, first_new=2)
    assert origins == generations.ShardOrigins(kept=("a",), rewritten=("b",), new=("c",))


def test_the_first_image_whose_class_has_another_index_is_named(before: KnownImages) -> None:
    tables = (rows(["d", "new", "b"], labels=[7, 1, 3]), rows(["a", "e"], labels=[9, 9]))
    assert generations.moved_label(before, tables) == ("a", 8, 9)
    assert generations.moved_label(before, tables[:1]) is None


def test_shards_that_are_left_without_an_image_are_counted_by_generation() -> None:
    assert generations.emptied((2, 0, 3, 0, 0), (3, 2)) == (1, 2)
    assert generations.emptied((2, 1, 3), (2, 0, 1)) == ()


def parts() -> Iterator[Sequence[str]]:
    yield from BEFORE


def test_keys_are_taken_as_they_come() -> None:
    assert KnownKeys(parts()).sizes == [2, 2, 1]
