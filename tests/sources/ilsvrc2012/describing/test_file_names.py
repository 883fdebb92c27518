"""Which split a file is of, by what it is called."""

from __future__ import annotations

import pytest

from pipeline.sources.ilsvrc2012.describing import file_names


@pytest.mark.parametrize(
    ("name", "split", "folder"),
    [
        ("ILSVRC2012_img_train.tar", "train", "train"),
        ("pets-val2.tar", "validation", "val"),
        ("Validation.tgz", "validation", "val"),
        ("TESTING.tar.gz", "test", "test"),
        ("trainval.tar", "trainval", "trainval"),
        ("train_val.tar", "train_val", "train_val"),
        ("cats & dogs.tar", "cats_dogs", "cats_dogs"),
        ("ü.tar", "images", "images"),
    ],
)
def test_a_word_of_its_name_or_its_stem(name: str, split: str, folder: str) -> None:
    assert file_names.split_and_folder(name) == (split, folder)


def test_a_word_that_does_not_count_leaves_the_stem() -> None:
    assert file_names.split_and_folder("train_2.tar", by_word=False) == ("train_2", "train_2")
