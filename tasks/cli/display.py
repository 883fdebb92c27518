"""What a person sees while a command runs: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline import plaintext, storage
from pipeline.job.resolve import ResolvedJob
from pipeline.quantities import size
from pipeline.state import claims, progress, status
from tasks.cli.saying import say_progress, voice
from tasks.cli.text import duration
from tasks.run import streams

_WINDOW_S = 30.0
LINE_EVERY_S = 5.0
LOOK_EVERY_S = 0.5
LIST_EVERY_S = 15.0
"""How often a store is asked what is there: each time it is a request for 1,000 objects."""


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


class BytesObserver:
    """Turns what is told of archives that are read into bars."""

    def __init__(self, out: storage.Location, run: str) -> None:
        self._out, self._run = out, run
        self._rates = Rates()

    def bars(self, now: float) -> list[Bar]:
        """Return a bar for each archive that is being read."""
        return [
            Bar(
                f"verify {count.name.split('_', 1)[-1]}",
                count.done,
                count.total,
                "bytes",
                rate=self._rates.rate(count.name, now, count.done),
            )
            for count in progress.counts(self._out, self._run)
            if count.unit == "bytes"
        ]


class Observer:
    """Turns what is published into bars."""

    def __init__(self, resolved: ResolvedJob, run: str) -> None:
        self._resolved = resolved
        self._run = run
        self._archives = BytesObserver(resolved.out, run)
        self._rates = Rates()
        self._sizes = {
            (split.name, output.format): (output, split.shard_sizes())
            for split, output in resolved.outputs
        }

    def bars(self, now: float) -> list[Bar]:
        """Return a bar for each archive being read and each output being written."""
        storage.renew(after_s=LIST_EVERY_S)
        counts = progress.counts(self._resolved.out, self._run)
        bars = [*self._archives.bars(now), *self._trees(now)]
        for (split, shard_format), (output, sizes) in self._sizes.items():
            done = status.published_shards(self._resolved.out, output.digest)
            if not done and not any(count.step == "shards" for count in counts):
                continue
            images = sum(sizes[shard] for shard in done if shard < len(sizes))
            written = sum(storage.sizes(output.folder).values())
            bars.append(
                Bar(
                    f"{split} {shard_format}, {len(done)} of {len(sizes)} shards",
                    images,
                    sum(sizes),
                    "images",
                    written,
                    self._rates.rate(output.digest, now, images),
                    self._rates.rate(f"{output.digest} bytes", now, written),
                )
            )
        return bars

    def _trees(self, now: float) -> list[Bar]:
        bars = []
        for product in self._resolved.products:
            if not product.tree:
                continue
            split = self._resolved.splits[product.split]
            done = claims.extracted_images(self._resolved.out, product, split.class_counts)
            if done:
                total = split.expected.images
                rate = self._rates.rate(product.name, now, done)
                bars.append(Bar(f"extract {product.split}", done, total, "images", rate=rate))
        return bars


@contextlib.contextmanager
def display(observer: Bars) -> Iterator[Callable[[], None]]:
    """Give a function to call often; it shows progress when it is time to."""
    console = Console(file=streams.display())
    if console.is_terminal and voice().shows_bars:
        with Live(console=console, transient=True, auto_refresh=False) as live:
            yield every(
                LOOK_EVERY_S, lambda now: live.update(table(observer.bars(now)), refresh=True)
            )
    else:
        lines = Lines()
        yield every(LINE_EVERY_S, lambda now: lines.say(observer.bars(now)))


@contextlib.contextmanager
def bytes_display() -> Iterator[Callable[[str, int, int], None]]:
    """Give a function to tell what is being read or fetched, how many bytes, and of how many.

    It shows them when it is time to. What was there when something is told first is none of its
    rate.
    """
    rates, console = Rates(), Console(file=streams.display())
    bar = Bar("", 0, 0, "bytes")

    def bars(now: float) -> list[Bar]:
        return [replace(bar, rate=rates.rate(bar.name, now, bar.done))]

    with contextlib.ExitStack() as stack:
        if console.is_terminal and voice().shows_bars:
            live = stack.enter_context(Live(console=console, transient=True, auto_refresh=False))
            show = every(LOOK_EVERY_S, lambda now: live.update(table(bars(now)), refresh=True))
        else:
            lines = Lines()
            show = every(LINE_EVERY_S, lambda now: lines.say(bars(now)))

        def tell(name: str, done: int, total: int) -> None:
            nonlocal bar
            if name != bar.name:
                rates.rate(name, time.monotonic(), done)
            bar = Bar(name, done, total, "bytes")
            show()

        yield tell


def every(interval: float, show: Callable[[float], None]) -> Callable[[], None]:
    """Return a function to call often, which calls another one when an interval has passed."""
    last = time.monotonic()

    def watch() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= interval:
            last = now
            show(now)

    return watch


def table(bars: list[Bar]) -> Table:
    """Return bars as a table for a terminal."""
    rows = Table.grid(padding=(0, 2))
    for bar in bars:
        share = f"{bar.done / bar.total:4.0%}" if bar.total else ""
        rows.add_row(Text(plaintext.line(bar.name)), share, *bar.figures)
    return rows


class Lines:
    """Says bars as lines, each that is finished once."""

    def __init__(self) -> None:
        self._finished: set[str] = set()

    def say(self, bars: list[Bar]) -> None:
        """Print a line for each bar that has changed, or may yet."""
        for bar in bars:
            if bar.name in self._finished:
                continue
            if bar.done >= bar.total:
                self._finished.add(bar.name)
            figures = ", ".join(part for part in bar.figures if part)
            say_progress(f"{bar.name}: {figures}")
