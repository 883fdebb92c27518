"""How images are divided among splits: by shares of a hash of their paths, or by a column."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.sources.imagelist import division
from pipeline.sources.imagelist.division import Division, split_of

SHARES = (("validation", 0.1), ("train", 0.8), ("test", 0.1))
NAMES = ("train", "validation", "test")


def paths(count: int) -> pa.Table:
    return pa.table({"path": [f"{number}.jpg" for number in range(count)]})


def test_the_hash_is_the_documented_one_and_stays_so() -> None:
    splits = {f"{number}.jpg": split_of(f"{number}.jpg", SHARES) for number in range(40)}
    assert {path for path, split in splits.items() if split == "test"} == {
        *("3.jpg", "5.jpg", "19.jpg", "38.jpg")
    }
    assert {path for path, split in splits.items() if split == "validation"} == {"1.jpg"}


def test_each_image_is_in_one_split_and_each_split_has_its_share() -> None:
    parts = Division(SHARES).parts(paths(20_000), NAMES)
    images = [path for part in parts.values() for path in part["path"].to_pylist()]
    assert sorted(images) == sorted(paths(20_000)["path"].to_pylist())
    for name, share in SHARES:
        assert parts[name].num_rows == pytest.approx(20_000 * share, rel=0.06)


def test_neither_other_images_nor_the_order_of_shares_move_an_image() -> None:
    few = Division(SHARES).part(paths(100), "test")["path"].to_pylist()
    many = Division(SHARES[::-1]).part(paths(200), "test")["path"].to_pylist()
    assert few == [path for path in many if path in set(few)]
    assert [path for path in many if int(path.removesuffix(".jpg")) < 100] == few


def test_a_column_names_the_split() -> None:
    images = pa.table({"path": ["a", "b", "c"], "split": ["x", "y", "x"]})
    assert Division(column=True).part(images, "x")["path"].to_pylist() == ["a", "c"]


@pytest.mark.parametrize(
    "shares",
    [
        SHARES,
        (("a", 1.0),),
        (("a", 0.333), ("b", 0.333), ("c", 0.333)),
        (("a", 0.999), ("b", 1e-3)),
    ],
)
def test_shares_that_are_1_together_are_taken(shares: tuple[tuple[str, float], ...]) -> None:
    division.check(shares)


@pytest.mark.parametrize(
    ("shares", "proposed"),
    [
        ((("a", 0.9), ("b", 0.2)), (("a", 0.9), ("b", 0.1))),
        ((("a", 80.0), ("b", 15.0), ("c", 5.0)), (("a", 0.8), ("b", 0.15), ("c", 0.05))),
        ((("a", 0.5),), (("a", 1.0),)),
        ((("a", 90.0), ("b", 0.001)), (("a", 0.9999), ("b", 0.0001))),
    ],
)
def test_others_are_refused_with_the_nearest_that_are(
    shares: tuple[tuple[str, float], ...], proposed: tuple[tuple[str, float], ...]
) -> None:
    with pytest.raises(UsageError) as refusal:
        division.check(shares)
    assert refusal.value.remedy == "say " + " ".join(f"--split {n}={s}" for n, s in proposed)
    division.check(proposed)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6))
def test_the_nearest_shares_are_always_taken(values: list[float]) -> None:
    division.check(division.nearest([(f"s{place}", each) for place, each in enumerate(values)]))
