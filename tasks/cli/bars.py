"""How far the steps of a command are, in numbers, and how fast they go."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from pipeline.quantities import size
from tasks.cli.text import duration

_WINDOW_S = 30.0


@dataclass(frozen=True)
class Bar:
    """One line of the display: how far a step is."""

    name: str
    done: float
    total: float
    unit: str
    bytes: int = 0
    rate: float = 0.0
    byte_rate: float = 0.0

    @property
    def left(self) -> str:
        """The time left, or nothing while it is unknown."""
        remaining = self.total - self.done
        return f"{duration(remaining / self.rate)} left" if self.rate and remaining else ""

    @property
    def figures(self) -> tuple[str, str, str]:
        """Done of total, rates, time left."""
        if self.unit == "bytes":
            return (
                f"{size(self.done)} of {size(self.total)}",
                f"{size(self.rate)}/s",
                self.left,
            )
        return (
            f"{self.done:,.0f} of {self.total:,.0f} {self.unit}"
            + (f", {size(self.bytes)}" if self.bytes else ""),
            f"{self.rate:,.0f} {self.unit}/s"
            + (f", {size(self.byte_rate)}/s" if self.byte_rate else ""),
            self.left,
        )


class Rates:
    """Rates over the last half minute, by name."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, float]]] = {}

    def rate(self, name: str, now: float, value: float) -> float:
        """Note a value; return how fast it grew lately, per second."""
        seen = self._seen.setdefault(name, deque())
        seen.append((now, value))
        while now - seen[0][0] > _WINDOW_S:
            seen.popleft()
        then, before = seen[0]
        return max(0.0, (value - before) / (now - then)) if now > then else 0.0


class Bars(Protocol):
    """What says how far a command is."""

    def bars(self, now: float) -> list[Bar]:
        """Return a bar for each thing that is at work; `now` is a time of any clock, seconds."""
        ...
