"""Numbers of plots, as a person reads them."""

from __future__ import annotations

import pytest

from pipeline.report import charts


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (46_320, "46.3 kB"),
        (999_600, "1,000 kB"),
        (1_430_000, "1.43 MB"),
    ],
)
def test_bytes_have_three_digits(value: float, text: str) -> None:
    assert charts.weight(value) == text
