"""The word that was meant by an unknown one."""

from __future__ import annotations

import pytest

from pipeline.job.choices import meant


@pytest.mark.parametrize(
    ("word", "likely"),
    [
        ("val", "validation"),
        ("Validation", "validation"),
        ("training", "train"),
        ("tran", "train"),
        ("t", None),
        ("", None),
        ("dev", None),
    ],
)
def test_a_beginning_or_a_slip_is_recognised(word: str, likely: str | None) -> None:
    assert meant(word, ["train", "validation", "test"]) == likely
