"""The names of shards, and which of them a number means."""

from __future__ import annotations

import pytest

from pipeline.catalog.shard_name import ShardName


def test_a_name_says_number_and_count() -> None:
    assert ShardName("train", 3, 1024).stem == "train-00003-of-01024"


@pytest.mark.parametrize(
    ("number", "stem"),
    [
        (0, "train-00000-of-00002"),
        (1, "train-00001-of-00002"),
        (2, "train-a01-00000-of-00001"),
        (3, "train-a03-00000-of-00002"),
        (4, "train-a03-00001-of-00002"),
    ],
)
def test_appended_shards_are_numbered_by_themselves(number: int, stem: str) -> None:
    name = ShardName.numbered("train", (2, 1, 0, 2), number)
    assert (name.stem, name.index) == (stem, number)


def test_there_is_no_other_shard() -> None:
    with pytest.raises(IndexError):
        ShardName.numbered("train", (2, 1), 3)
