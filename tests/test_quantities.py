from __future__ import annotations

import pytest

from pipeline.quantities import counted


@pytest.mark.parametrize(
    ("number", "noun", "said"),
    [
        (1, "image", "1 image"),
        (0, "image", "0 images"),
        (1_281_167, "image", "1,281,167 images"),
        (1, "box", "1 box"),
        (2, "box", "2 boxes"),
        (1, "class", "1 class"),
        (1000, "class", "1,000 classes"),
        (2, "class group", "2 class groups"),
    ],
)
def test_what_is_counted_agrees_with_its_number(number: int, noun: str, said: str) -> None:
    assert counted(number, noun) == said
