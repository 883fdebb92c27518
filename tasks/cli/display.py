"""What a person sees while a command runs: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline import plaintext
from tasks.cli.bars import Bar, Bars, Rates
from tasks.cli.saying import say_progress, voice
from tasks.run import streams

LINE_EVERY_S = 5.0
LOOK_EVERY_S = 0.5


@contextlib.contextmanager
def display(
    observer: Bars, tell_more: Callable[[], None] = lambda: None
) -> Iterator[Callable[[], None]]:
    """Give a function to call often; it shows progress when it is time to.

    Args:
        observer: says how far things are.
        tell_more: called when a program is told of progress.
    """
    console = Console(file=streams.display())
    if voice().is_for_programs:

        def tell(now: float) -> None:
            tell_more()
            _tell(observer.bars(now))

        yield every(LINE_EVERY_S, tell)
    elif console.is_terminal and voice().shows_bars:
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
        elif voice().is_for_programs:
            show = every(LINE_EVERY_S, lambda now: _tell(bars(now)))
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


def _tell(bars: list[Bar]) -> None:
    """Tell a program how far things are."""
    for bar in bars:
        left = (bar.total - bar.done) / bar.rate if bar.rate else None
        voice().event(
            "progress",
            name=bar.name,
            done=bar.done,
            total=bar.total,
            unit=bar.unit,
            bytes=bar.bytes,
            rate=round(bar.rate, 3) or None,
            seconds_left=None if left is None else round(left, 1),
        )


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
