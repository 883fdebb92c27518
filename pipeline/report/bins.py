"""Where the bars of a histogram begin and end, and how many values are in each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

WIDTH: Final = 360
"""Of the area of a plot, in its own units."""
_FEWEST_BINS, _MOST_BINS = 8, 30
_TAIL: Final = 0.004  # of the values at each end, which the first and the last bar take in

Counts = Mapping[float, int]
"""How often each value occurs."""


def edges(values: Sequence[tuple[float, int]], *, log: bool) -> list[float]:
    """Return where bars begin and end: at round numbers, with the tails in the outer ones."""
    low, high = _between(values)
    total = sum(count for _, count in values)
    bars = max(_FEWEST_BINS, min(_MOST_BINS, round(2 * total ** (1 / 3))))
    if log:
        low, high = (
            math.floor(math.log2(max(low, 1e-6)) * 2),
            math.ceil(math.log2(max(high, 1e-6)) * 2),
        )
        steps = max(1, high - low)
        every = max(1, -(-steps // bars))
        finer = max(1, bars // (2 * steps)) if every == 1 else 1
        count = max(4, -(-steps // every) * finer)
        return [2 ** ((low + place * every / finer) / 2) for place in range(count + 1)]
    step = _round_step((high - low) / bars, whole=all(value == int(value) for value, _ in values))
    first = math.floor(low / step)
    last = max(first + 4, math.floor(high / step) + 1)
    return [round(place * step, 9) for place in range(first, last + 1)]


def _between(values: Sequence[tuple[float, int]]) -> tuple[float, float]:
    ordered = sorted(values)
    total = sum(count for _, count in ordered)
    return _quantile(ordered, total, _TAIL), _quantile(ordered, total, 1 - _TAIL)


def _quantile(ordered: Sequence[tuple[float, int]], total: int, share: float) -> float:
    seen = 0
    for value, count in ordered:
        seen += count
        if seen >= share * total:
            return value
    return ordered[-1][0]


def _round_step(step: float, *, whole: bool) -> float:
    """Return 1, 2 or 5 times a power of ten that is no less than a step."""
    if step <= 0:
        return 1.0 if whole else 0.1
    power = 10.0 ** math.floor(math.log10(step))
    rounded: float = next(each * power for each in (1, 2, 5, 10) if each * power >= step * 0.999)
    return max(1.0, rounded) if whole else rounded


def binned(values: Counts, edges: Sequence[float]) -> list[int]:
    """Return how many values are in each bar; the outer ones take in what lies beyond them."""
    counts = [0] * (len(edges) - 1)
    for value, count in values.items():
        place = next((at for at, edge in enumerate(edges[1:]) if value < edge), len(counts) - 1)
        counts[place] += count
    return counts


def any_below(counts: Mapping[str, Counts], edge: float) -> bool:
    """Whether a value of any split is smaller."""
    return any(value < edge for values in counts.values() for value in values)


def any_above(counts: Mapping[str, Counts], edge: float) -> bool:
    """Whether a value of any split is as large."""
    return any(value >= edge for values in counts.values() for value in values)


def summary(values: Counts, text: Callable[[float], str]) -> str:
    """Return the smallest, the largest and the middle of some values, in words."""
    ordered, total = sorted(values.items()), sum(values.values())
    low, median, high = map(text, (ordered[0][0], _quantile(ordered, total, 0.5), ordered[-1][0]))
    return f"all {low}" if low == high else f"{low} to {high}, median {median}"


def ticks(
    edges: Sequence[float], text: Callable[[float], str]
) -> tuple[tuple[float, str, str], ...]:
    """Return place, text and anchor of what stands below a plot; see `charts.Chart`."""
    count = len(edges) - 1
    every = max(1, -(-count // 5))
    places = range(0, count + 1, every)
    anchors = {0: "start", count: "end"}
    return tuple(
        (round(place * WIDTH / count, 2), text(edges[place]), anchors.get(place, "middle"))
        for place in places
        if place in {0, count} or place + every / 2 <= count
    )
