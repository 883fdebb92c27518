"""Numbers of plots, as a person reads them."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.report import bins, charts, rendering
from pipeline.report.charts import ClassSize


def ranked(classes: int, splits: int) -> charts.Chart:
    """Return the plot of so many classes, the first of which has most images."""
    names = [f"split{number}" for number in range(splits)]
    sizes = [
        ClassSize(f"{n:03}", dict.fromkeys(names, 1000 - n), f"{n}.html") for n in range(classes)
    ]
    chart = charts.ranked("classes", "Images a class", sizes, names, note="and more")
    assert chart is not None
    return chart


def test_a_plot_of_few_classes_has_a_bar_for_each() -> None:
    chart = ranked(classes=120, splits=1)
    assert [len(one.bars) for one in chart.series] == [120]
    assert chart.note == "and more"


def test_a_plot_of_many_classes_says_how_many_a_bar_is_of() -> None:
    chart = ranked(classes=241, splits=2)
    assert [len(one.bars) for one in chart.series] == [81, 81]
    assert chart.note == (
        "each split by its own scale; a bar is of 3 classes, and as tall as the first of them;"
        " and more"
    )
    first = chart.series[0].bars[0]
    assert (first.label, first.count) == ("000 and 2 more", 1000)


def test_the_numbers_of_a_plot_are_those_of_all_its_bars() -> None:
    macros: Any = rendering._environment().get_template("parts.html").module
    text = str(macros.plot(ranked(classes=120, splits=1)))
    assert text.count("<tr><td>split0</td>") == 120


def test_values_that_are_all_the_same_are_said_once() -> None:
    assert bins.summary({8.0: 3}, charts.plain) == "all 8"
    assert bins.summary({8.0: 3, 9.0: 1}, charts.plain) == "8 to 9, median 8"


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
