"""What a person sees while a command runs: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TextIO

from tasks.cli.bars import Bar, Bars, Rates, total_of
from tasks.cli.saying import say_progress, voice
from tasks.cli.wrapping import LESSER_TERMINALS
from tasks.run import streams

LINE_EVERY_S: Final = 5.0
"""How often lines are said at first; later a twelfth of the time that has passed."""
LINE_AT_LEAST_EVERY_S: Final = 60.0
LOOK_EVERY_S: Final = 0.5


@contextlib.contextmanager
def display(
    observer: Bars, tell_more: Callable[[], None] = lambda: None
) -> Iterator[Callable[[], None]]:
    """Give a function to call often; it shows progress when it is time to.

    Args:
        observer: says how far things are.
        tell_more: called when a program is told of progress.
    """
    with showing(observer.bars, tell_more) as show:
        yield show


@contextlib.contextmanager
def bytes_display() -> Iterator[Callable[[str, int, int], None]]:
    """Give a function to tell what is being read or fetched, how many bytes, and of how many.

    It shows them when it is time to. What was there when something is told first is none of its
    rate.
    """
    rates, bar = Rates(), Bar("", 0, 0, "bytes")

    def bars(now: float) -> list[Bar]:
        return [replace(bar, rate=rates.rate(bar.name, now, bar.done))]

    with showing(bars) as show:

        def tell(name: str, done: int, total: int) -> None:
            nonlocal bar
            if name != bar.name:
                rates.rate(name, time.monotonic(), done)
            bar = Bar(name, done, total, "bytes")
            show()

        yield tell


@contextlib.contextmanager
def counting_display(name: str, unit: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function to tell how much is done of how much, shown on a terminal alone."""
    rates, bar = Rates(), Bar(name, 0, 0, unit)

    def bars(now: float) -> list[Bar]:
        return [replace(bar, rate=rates.rate(name, now, bar.done))]

    rates.rate(name, time.monotonic(), 0)
    with showing(bars, in_lines=False) as show:

        def tell(done: int, total: int) -> None:
            nonlocal bar
            bar = Bar(name, done, total, unit)
            show()

        yield tell


@contextlib.contextmanager
def showing(
    bars: Callable[[float], list[Bar]],
    tell_more: Callable[[], None] = lambda: None,
    *,
    in_lines: bool = True,
) -> Iterator[Callable[[], None]]:
    """Give a function to call often; it shows bars when it is time to.

    Args:
        bars: returns them, given a time in seconds.
        tell_more: called when a program is told of progress.
        in_lines: whether lines are said where no terminal can draw them.
    """
    stream = streams.display()
    if voice().is_for_programs:

        def tell(now: float) -> None:
            tell_more()
            _tell(bars(now))

        yield every(LINE_EVERY_S, tell)
    elif voice().shows_bars and is_drawn_on(stream):
        from tasks.cli.drawing import drawing  # noqa: PLC0415 - Rich: only on a terminal

        with drawing(stream) as draw:
            yield every(LOOK_EVERY_S, lambda now: draw(bars(now)))
    elif in_lines:
        lines = Lines()
        yield every(LINE_EVERY_S, lambda now: lines.say(bars(now)), LINE_AT_LEAST_EVERY_S)
    else:
        yield lambda: None


def is_drawn_on(stream: TextIO) -> bool:
    """Whether bars can be drawn there: on a terminal that moves its cursor, and may be coloured.

    Nothing is coloured, but who sets ``NO_COLOR`` wants plain text.
    """
    terminal = os.environ.get("TERM", "dumb").lower()
    is_plain = terminal in LESSER_TERMINALS or bool(os.environ.get("NO_COLOR"))
    return stream.isatty() and not is_plain


def _tell(bars: list[Bar]) -> None:
    """Tell a program how far things are."""
    for bar in bars:
        left = bar.seconds_left
        if bar.is_begun:
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


def every(
    interval: float, show: Callable[[float], None], most: float | None = None
) -> Callable[[], None]:
    """Return a function to call often, which calls another one when it is time to.

    Args:
        interval: seconds between two calls, at first.
        show: what is called, with the time in seconds.
        most: seconds that the interval grows to, while more and more time has passed.
    """
    began = last = time.monotonic()

    def watch() -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= min(max(interval, (now - began) / 12), most or interval):
            last = now
            show(now)

    return watch


class Lines:
    """Says bars as lines, each that is finished once."""

    def __init__(self) -> None:
        self._finished: set[str] = set()

    def say(self, bars: Sequence[Bar]) -> None:
        """Print a line for each bar that has changed, or may yet, and one of all together."""
        begun, total = [bar for bar in bars if bar.is_begun], total_of(bars)
        for bar in (*begun, *([total] if begun and total else [])):
            if bar.name in self._finished:
                continue
            if bar.total and bar.done >= bar.total:
                self._finished.add(bar.name)
            name = f"{bar.name}, {bar.detail}" if bar.detail else bar.name
            say_progress(f"{name}: {', '.join(bar.figures)}")
