"""Words of classes are found in texts of a class and its words on each line, and nowhere else."""

from __future__ import annotations

import pytest

from pipeline.sources.ilsvrc2012.describing.class_words import ClassWords
from pipeline.sources.ilsvrc2012.describing.label_lists import LabelList

CLASSES = ("n01", "n02", "n03")
KNOWN = {"n01": "known", "n77": "other"}


def read(*lines: str, name: str = "words.txt") -> ClassWords:
    return ClassWords.read([LabelList(name, lines)], CLASSES, KNOWN)


@pytest.mark.parametrize("separator", ["\t", " "])
def test_words_of_a_text_come_before_those_that_are_known(separator: str) -> None:
    found = read(f"n01{separator}a fish, it", f"n02{separator}a bird", f"n03{separator}a cat")
    assert found.words == KNOWN | {"n01": "a fish, it", "n02": "a bird", "n03": "a cat"}
    assert found.remarks == ("words.txt: the words of 3 classes",)


def test_classes_without_words_others_and_those_named_twice_are_counted() -> None:
    found = read("n02\ta bird", "n88\tentity", "n02\tanother", "n02\ta bird")
    assert found.words == KNOWN | {"n02": "a bird"}
    assert found.remarks == (
        "words.txt: the words of 1 class; 1 more of its lines are of classes that are not here",
        "words.txt: 1 class named on several lines, of which the first is taken: n02",
        "1 class without words, called by their names: n03",
    )


@pytest.mark.parametrize(
    "lines", [("n01", "n02"), ("",), ("n88\tentity",), ("n01\tfish", "a line of prose")]
)
def test_texts_of_another_form_say_nothing(lines: tuple[str, ...]) -> None:
    assert read(*lines) == ClassWords(KNOWN)
