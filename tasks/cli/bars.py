"""How far the steps of a command are, in numbers, and how fast they go."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from pipeline.quantities import size
from tasks.cli.text import duration

BYTES: Final = "bytes"
"""The unit of what is read or received; images are the other one."""
_WINDOW_S: Final = 30.0
_LEAST_S: Final = 2.0
"""Over so long a value has to be known before its rate is: less is chance."""


@dataclass(frozen=True)
class Bar:
    """One line of the display: how far a step is.

    Attributes:
        name: the step and what it is about, the same for as long as it lasts.
        done: how much is done.
        total: of how much; 0: not known.
        unit: of both.
        bytes: that were written or received for it.
        rate: how much of it is done a second; 0: not known, or nobody is at work on it.
        byte_rate: the same of its bytes.
        detail: what else is said of it in lines.
        part: the split that it counts the images of, if others count them, too.
        is_begun: whether anybody has worked on it.
        format: the shard format, if it is an output; else "".
        shards: of an output, how many shards are finished, and how many there are to be.
    """

    name: str
    done: float
    total: float
    unit: str
    bytes: int = 0
    rate: float = 0.0
    byte_rate: float = 0.0
    detail: str = ""
    part: str = ""
    is_begun: bool = True
    format: str = ""
    shards: tuple[int, int] = (0, 0)

    @property
    def seconds_left(self) -> float | None:
        """The time left; None: it is not known, or nothing is left."""
        remaining = self.total - self.done
        return remaining / self.rate if self.rate and remaining > 0 else None

    @property
    def figures(self) -> tuple[str, ...]:
        """Done of total, rates, time left, as far as they are known."""
        is_size = self.unit == BYTES
        if is_size:
            done = f"{size(self.done)} of {size(self.total)}" if self.total else size(self.done)
        else:
            done = f"{self.done:,.0f} of {self.total:,.0f} {self.unit}"
        left = self.seconds_left
        figures = (
            done,
            size(self.bytes) if self.bytes and not is_size else "",
            _rate(self.rate, self.unit) if self.rate else "",
            _rate(self.byte_rate, BYTES) if self.byte_rate and not is_size else "",
            f"{duration(left)} left" if left is not None else "",
        )
        return tuple(figure for figure in figures if figure)


def _rate(rate: float, unit: str) -> str:
    return f"{size(rate)}/s" if unit == BYTES else f"{rate:,.0f} {unit}/s"


class Rates:
    """Rates over the last half minute, by name."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, float]]] = {}

    def rate(self, name: str, now: float, value: float, *, at_work: bool = True) -> float:
        """Note a value; return how fast it grew lately, per second; 0: that is not known yet.

        Args:
            name: of the value.
            now: a time of any clock, in seconds.
            value: what it is then.
            at_work: whether anybody makes it grow; if not, the time until somebody does is no part
                of any rate.
        """
        seen = self._seen.setdefault(name, deque())
        if not at_work:
            seen.clear()
        seen.append((now, value))
        while now - seen[0][0] > _WINDOW_S:
            seen.popleft()
        then, before = seen[0]
        return max(0.0, (value - before) / (now - then)) if now - then >= _LEAST_S else 0.0


class Bars(Protocol):
    """What says how far a command is."""

    def bars(self, now: float) -> list[Bar]:
        """Return a bar for each thing that is at work; `now` is a time of any clock, seconds."""
        ...


def total_of(bars: Sequence[Bar]) -> Bar | None:
    """Return what several bars are together: images if any are counted; None: one says it all.

    The formats of a split are written from one read of its images, each of which counts once.
    """
    units = {bar.unit for bar in bars}
    unit = next((each for each in ("images", BYTES) if each in units), None)
    counted = [bar for bar in bars if bar.unit == unit]
    if unit is None or len(bars) < 2:  # noqa: PLR2004 - several
        return None
    parts: dict[str, list[Bar]] = {}
    for bar in counted:
        parts.setdefault(bar.part or bar.name, []).append(bar)
    whole = Bar("total", 0, 0, unit)
    for of_part in parts.values():
        count = len(of_part)
        whole = replace(
            whole,
            done=whole.done + sum(bar.done for bar in of_part) / count,
            total=whole.total + sum(bar.total for bar in of_part) / count,
            bytes=whole.bytes + sum(bar.bytes for bar in of_part),
            rate=whole.rate + sum(bar.rate for bar in of_part) / count,
            byte_rate=whole.byte_rate + sum(bar.byte_rate for bar in of_part),
        )
    return whole
