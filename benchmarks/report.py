"""What was measured, as a table and as JSON: medians, extremes, ratios paired by round."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.corpus import Corpus
from benchmarks.measure import Peak

MB = 1_000_000


@dataclass(frozen=True)
class Spread:
    """The median of some values, and the extremes."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """Return the spread of values, of which there is one at least."""
        return Spread(statistics.median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{_number(self.median)} [{_number(self.low)}-{_number(self.high)}]"


@dataclass
class Series:
    """One thing measured once a round.

    Attributes:
        name: what it is.
        seconds: of the measured part, a value per round.
        cpu_s: processor seconds of the whole process with all descendants, imports and all.
        wall_s: seconds of the whole process.
        volume: images, annotations or gigabytes handled in a round.
        unit: ``images``, ``annotations`` or ``GB``.
    """

    name: str
    volume: float
    unit: str
    seconds: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)

    def add(self, seconds: float, cpu_s: float, wall_s: float) -> None:
        """Note one round."""
        self.seconds.append(seconds)
        self.cpu_s.append(cpu_s)
        self.wall_s.append(wall_s)

    def faster_than(self, other: Series) -> Spread:
        """Return how many times the speed of the other this has, paired by round."""
        pairs = zip(self.seconds, other.seconds, strict=True)
        return Spread.of([theirs / own for own, theirs in pairs])

    def cheaper_than(self, other: Series) -> Spread:
        """Return how many times the processor time of this the other takes, paired by round."""
        pairs = zip(self.cpu_s, other.cpu_s, strict=True)
        return Spread.of([theirs / own for own, theirs in pairs])

    def row(self) -> str:
        """Return the row of a table: seconds, rate, seconds and processor seconds of it all."""
        rate = Spread.of([self.volume / seconds for seconds in self.seconds])
        cells = (
            self.name,
            Spread.of(self.seconds),
            f"{rate} {self.unit}/s",
            Spread.of(self.wall_s),
            Spread.of(self.cpu_s),
        )
        return _row(*cells)


@dataclass(frozen=True)
class Aim:
    """A ratio or size, what is aimed at, if anything is, and what was measured.

    `most` says that it is an upper limit.
    """

    name: str
    wanted: float | None
    measured: Spread
    most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the median keeps to it; None if nothing is aimed at."""
        if self.wanted is None:
            return None
        if self.most:
            return self.measured.median <= self.wanted
        return self.measured.median >= self.wanted

    def row(self) -> str:
        """Return the row of a table."""
        if self.wanted is None:
            return _row(self.name, "-", self.measured, "-")
        bound = "at most" if self.most else "at least"
        wanted = f"{bound} {_number(self.wanted)}"
        return _row(self.name, wanted, self.measured, "yes" if self.met else "NO")


@dataclass(frozen=True)
class Memory:
    """Peak unique set sizes of the processes of one run, apart from the timed ones."""

    name: str
    peaks: list[Peak]

    def highest(self, depth: int) -> float:
        """Return the highest peak among the processes at a depth or deeper, in MB."""
        return max((peak.uss for peak in self.peaks if peak.depth >= depth), default=0) / MB


def render(series: Sequence[Series], aims: Sequence[Aim], memory: Sequence[Memory]) -> str:
    """Return the tables; that of memory only if it was measured."""
    head = _row("measured", "s", "rate", "whole process, s", "whole process, CPU s")
    sizes = _row("peak USS of a process, MB", "started", "child", "grandchild")
    wanted = _row("aim", "wanted", "measured, paired by round", "met")
    lines = [head, _rule(5), *(line.row() for line in series)]
    lines += ["", sizes, _rule(4)] if memory else []
    for run in memory:
        levels = [max((p.uss for p in run.peaks if p.depth == d), default=0) for d in range(3)]
        lines.append(_row(run.name, *(f"{level / MB:.0f}" if level else "-" for level in levels)))
    lines += ["", wanted, _rule(4), *(aim.row() for aim in aims)]
    return "\n".join(lines)


def document(
    corpus: Corpus, series: Sequence[Series], aims: Sequence[Aim], memory: Sequence[Memory]
) -> dict[str, Any]:
    """Return everything as plain data, every single round included."""
    return {
        "machine": machine(),
        "corpus": {
            "images": corpus.images,
            "bytes": corpus.bytes,
            "distinct": corpus.distinct,
            "origin": corpus.origin,
        },
        "series": [asdict(line) for line in series],
        "memory": [asdict(run) for run in memory],
        "aims": [asdict(aim) | {"met": aim.met} for aim in aims],
    }


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def write(path: Path, content: dict[str, Any]) -> None:
    """Write the JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _rule(columns: int) -> str:
    return "|" + "---|" * columns
