"""Histograms as data: which bars a plot has, how tall each is, and what is said of it.

They are drawn as SVG by the page's own templates and followed by its own script: a few kilobytes,
where a library for plots weighs from 0.3 to 4 megabytes and most build functions from texts, which
the page forbids.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from pipeline.quantities import size
from pipeline.report import bins

WIDTH: Final = bins.WIDTH
HEIGHT: Final = 132
"""Of the area of a plot, in its own units."""
_MOST_GROUPS: Final = 120  # of classes, on their plot
_WIDEST: Final = 34.0  # of a bar
_LOG_FLOOR: Final = 0.06  # of the height: the smallest bar on a logarithmic scale
_MOST_WORDS: Final = 12

Counts = bins.Counts
Words = Mapping[str, int]


@dataclass(frozen=True)
class Bar:
    """A bar of one split, in the units of the plot.

    Attributes:
        x: its left side.
        y: its top, of a share.
        width: of the bar.
        height: of a share.
        log_y: its top on a logarithmic scale.
        log_height: its height there.
        label: what the bar is of, such as ``480-500``.
        count: how many images or boxes it stands for.
        share: of its split, from 0 to 1.
        link: where it leads to; "": nowhere.
    """

    x: float
    y: float
    width: float
    height: float
    log_y: float
    log_height: float
    label: str
    count: int
    share: float
    link: str = ""


@dataclass(frozen=True)
class Series:
    """The bars of one split, and what is said of all of its values."""

    split: str
    number: int
    bars: tuple[Bar, ...]
    summary: str


@dataclass(frozen=True)
class Chart:
    """A plot.

    Attributes:
        name: of what it is, unique on the page, without blanks.
        title: the same for people.
        note: what else should be known.
        ticks: place from 0 to `WIDTH`, text, and which of its ends is there.
        series: one for each split that has values.
        unit: what is counted.
    """

    name: str
    title: str
    note: str
    ticks: tuple[tuple[float, str, str], ...]
    series: tuple[Series, ...]
    unit: str = "images"


def plain(value: float) -> str:
    """Return a number as a person reads it."""
    if value >= 100 or value == int(value):  # noqa: PLR2004 - digits
        return f"{value:,.0f}"
    return f"{value:.3g}"


def percent(value: float) -> str:
    """Return a share of 1 in percent."""
    return f"{100 * value:.3g} %"


def weight(value: float) -> str:
    """Return a number of bytes, with three digits: 46.3 kB."""
    number, _, unit = size(value).partition(" ")
    return f"{plain(float(number))} {unit}"


def histogram(
    name: str,
    title: str,
    counts: Mapping[str, Counts],
    *,
    text: Callable[[float], str] = plain,
    log: bool = False,
    note: str = "",
    unit: str = "images",
) -> Chart | None:
    """Return a plot of values, side by side for each split; None: there are none.

    Args:
        name: see `Chart`.
        title: see `Chart`.
        counts: of each split, how often each value occurs.
        text: how a value is written.
        log: whether the bars are equally wide on a logarithmic scale.
        note: see `Chart`.
        unit: see `Chart`.
    """
    counts = {split: values for split, values in counts.items() if values}
    if not counts:
        return None
    edges = bins.edges([each for values in counts.values() for each in values.items()], log=log)
    labels = [
        text(low) if high - low == 1 and not log else f"{text(low)}-{text(high)}"
        for low, high in pairwise(edges)
    ]
    labels[0] = f"up to {text(edges[1])}" if bins.any_below(counts, edges[0]) else labels[0]
    labels[-1] = f"from {text(edges[-2])}" if bins.any_above(counts, edges[-1]) else labels[-1]
    binned = {split: bins.binned(values, edges) for split, values in counts.items()}
    summaries = {split: bins.summary(values, text) for split, values in counts.items()}
    return Chart(
        name=name,
        title=title,
        note=note,
        ticks=bins.ticks(edges, text),
        series=_series(binned, labels, summaries),
        unit=unit,
    )


def words(
    name: str, title: str, counts: Mapping[str, Words], *, note: str = "", unit: str = "images"
) -> Chart | None:
    """Return a plot of words, the most frequent first; None: there are none."""
    counts = {split: values for split, values in counts.items() if values}
    if not counts:
        return None
    totals: dict[str, int] = {}
    for values in counts.values():
        for word, count in values.items():
            totals[word] = totals.get(word, 0) + count
    labels = sorted(totals, key=lambda word: (-totals[word], word))
    if len(labels) > _MOST_WORDS:
        labels = [*labels[: _MOST_WORDS - 1], "others"]
    binned = {
        split: [
            values.get(label, 0)
            if label != "others"
            else sum(count for word, count in values.items() if word not in labels)
            for label in labels
        ]
        for split, values in counts.items()
    }
    step = WIDTH / len(labels)
    ticks = tuple(((place + 0.5) * step, label, "middle") for place, label in enumerate(labels))
    said = {split: f"{sum(values):,}" for split, values in binned.items()}
    return Chart(name, title, note, ticks, _series(binned, labels, said), unit)


@dataclass(frozen=True)
class ClassSize:
    """How many images of a class each split has, and where the page of the class is."""

    name: str
    images: Mapping[str, int]
    link: str


def ranked(
    name: str, title: str, classes: Sequence[ClassSize], splits: Sequence[str], *, note: str = ""
) -> Chart | None:
    """Return a plot of classes, the largest first, each split by its own scale; None: no class.

    Of many classes a bar stands for several neighbours: it is as tall as the first of them, and the
    note says so.
    """
    if not classes or not splits:
        return None
    ordered = sorted(classes, key=lambda each: (-sum(each.images.values()), each.name))
    together = max(1, -(-len(ordered) // _MOST_GROUPS))
    groups = [ordered[start : start + together] for start in range(0, len(ordered), together)]
    series = []
    for number, split in enumerate(splits):
        counts = [each.images.get(split, 0) for each in ordered]
        places = _Places(len(groups), len(splits), number)
        bars = tuple(
            _bar(
                *places.of(place),
                group[0].images.get(split, 0),
                max(1, *counts),
                label,
                group[0].link,
            )
            for place, group in enumerate(groups)
            for label in (_rank_label(group),)
        )
        low, high = f"{min(counts):,}", f"{max(counts):,}"
        summary = f"{low} a class" if low == high else f"{low} to {high} a class"
        series.append(Series(split, number, bars, summary))
    ticks = ((0.0, "largest class", "start"), (float(WIDTH), "smallest", "end"))
    notes = ["each split by its own scale" if len(splits) > 1 else ""]
    if together > 1:
        notes.append(f"a bar is of {together} classes, and as tall as the first of them")
    said = "; ".join(filter(None, [*notes, note]))
    return Chart(name, title, said, ticks, tuple(series))


def _rank_label(group: Sequence[ClassSize]) -> str:
    return group[0].name if len(group) == 1 else f"{group[0].name} and {len(group) - 1} more"


@dataclass(frozen=True)
class _Places:
    """Where the bars of a split are: those of one value stand side by side, in its middle.

    Attributes:
        values: how many there are on the plot.
        splits: how many bars each has.
        number: 0-based, of the split.
    """

    values: int
    splits: int
    number: int

    def of(self, value: int) -> tuple[float, float]:
        """Return the left side and the width of the bar of a value."""
        step = WIDTH / self.values
        width = min(step / self.splits, _WIDEST)
        return value * step + (step - width * self.splits) / 2 + self.number * width, width


def _series(
    binned: Mapping[str, Sequence[int]], labels: Sequence[str], summaries: Mapping[str, str]
) -> tuple[Series, ...]:
    totals = {split: max(1, sum(counts)) for split, counts in binned.items()}
    highest = max(max(counts) / totals[split] for split, counts in binned.items())
    series = []
    for place, (split, counts) in enumerate(binned.items()):
        places, total = _Places(len(labels), len(binned), place), totals[split]
        bars = tuple(
            _bar(*places.of(value), count, highest * total, label, "", total)
            for value, (count, label) in enumerate(zip(counts, labels, strict=True))
            if count
        )
        series.append(Series(split, place, bars, summaries[split]))
    return tuple(series)


def _bar(
    x: float, width: float, count: int, highest: float, label: str, link: str, total: int = 0
) -> Bar:
    height = HEIGHT * count / highest if highest else 0.0
    log_height = 0.0
    if count:
        scale = math.log(count + 1) / math.log(highest + 1) if highest > 0 else 1.0
        log_height = HEIGHT * max(_LOG_FLOOR, min(1.0, scale))
    gap = min(1.0, width * 0.12)
    return Bar(
        x=round(x + gap / 2, 2),
        y=round(HEIGHT - height, 2),
        width=round(width - gap, 2),
        height=round(height, 2),
        log_y=round(HEIGHT - log_height, 2),
        log_height=round(log_height, 2),
        label=label,
        count=count,
        share=count / total if total else 0.0,
        link=link,
    )
