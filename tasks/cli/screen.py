"""Bars as the lines of a terminal: a pure function of the bars and the width.

Each column has a width of its own that only the width of the terminal decides, so nothing moves
sideways while figures change, and no line wraps. What a narrow terminal has no room for is left
out column by column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len, set_cell_size

from pipeline import plaintext
from pipeline.quantities import size
from tasks.cli.bars import BYTES, Bar, total_of
from tasks.cli.text import duration

_GAP: Final = " "


@dataclass(frozen=True)
class Glyphs:
    """What a bar is drawn with, and what stands for the middle of a long name."""

    full: str = "█"
    empty: str = "░"
    cut: str = "…"


UNICODE: Final = Glyphs()
ASCII: Final = Glyphs("#", ".", "~")


@dataclass(frozen=True)
class _Layout:
    """The widths of all columns but the name's, which has what is left; 0: there is no such column.

    Attributes:
        least: the narrowest terminal that it is for.
        has_words: whether figures have their words: ``3 of 7 images``, not ``3/7``.
    """

    least: int
    bar: int
    share: int
    count: int
    bytes: int
    rate: int
    left: int
    has_words: bool = False


_LAYOUTS: Final = (
    _Layout(110, bar=20, share=4, count=29, bytes=9, rate=15, left=13, has_words=True),
    _Layout(70, bar=8, share=4, count=19, bytes=7, rate=9, left=8),
    _Layout(46, bar=0, share=4, count=9, bytes=0, rate=9, left=8),
    _Layout(0, bar=0, share=4, count=0, bytes=0, rate=0, left=0),
)


def screen(
    bars: Sequence[Bar], width: int, height: int | None = None, glyphs: Glyphs = UNICODE
) -> list[str]:
    """Return a line for each bar and, of several, one of their total, none wider than the terminal.

    Args:
        bars: how far the steps are.
        width: of the terminal, in cells.
        height: lines that there are at most; None: as many as there are bars.
        glyphs: characters that the terminal can show.
    """
    layout = next(each for each in _LAYOUTS if width >= each.least)
    total = total_of(bars)
    last = [_line(total, width, layout, glyphs)] if total else []
    room = len(bars) if height is None else max(0, height - len(last))
    shown = [_line(bar, width, layout, glyphs) for bar in bars[:room]]
    if len(bars) > room > 0:
        shown[-1] = cut(f"and {len(bars) - room + 1:,} more", width, glyphs.cut)
    return [*shown, *last]


def cut(text: str, width: int, mark: str) -> str:
    """Return a text in at most `width` cells: of a long one the beginning and the end."""
    if cell_len(text) <= width:
        return text
    if width <= len(mark):
        return mark[:width]
    room = width - len(mark)
    head = set_cell_size(text, room - room // 2).rstrip(" ")
    tail, start = "", len(text)
    while start and cell_len(text[start - 1 :]) <= width - len(mark) - cell_len(head):
        start -= 1
        tail = text[start:]
    return f"{head}{mark}{tail}"


def _line(bar: Bar, width: int, layout: _Layout, glyphs: Glyphs) -> str:
    figures = (
        (_drawn(bar, layout.bar, glyphs), layout.bar),
        (f"{min(1.0, bar.done / bar.total):.0%}" if bar.total else "", layout.share),
        (_count(bar, layout), layout.count),
        (_size(bar.bytes, layout) if bar.bytes and bar.unit != BYTES else "", layout.bytes),
        (_rate(bar, layout), layout.rate),
        (_left(bar, layout), layout.left),
    )
    columns = [_right(text, column, glyphs) for text, column in figures if column]
    room = width - sum(len(_GAP) + cell_len(each) for each in columns)
    name = cut(plaintext.line(bar.name), max(0, room), glyphs.cut)
    line = _GAP.join([set_cell_size(name, max(0, room)), *columns]).rstrip()
    return cut(line, width, glyphs.cut)


def _right(text: str, column: int, glyphs: Glyphs) -> str:
    text = cut(text, column, glyphs.cut)
    return " " * (column - cell_len(text)) + text


def _drawn(bar: Bar, column: int, glyphs: Glyphs) -> str:
    full = int(column * min(1.0, bar.done / bar.total)) if bar.total else 0
    return glyphs.full * full + glyphs.empty * (column - full)


def _count(bar: Bar, layout: _Layout) -> str:
    """Return done of total if that fits also at the end, or else what is done."""
    both = _of_total(bar, bar.done, layout)
    if bar.total and len(_of_total(bar, bar.total, layout)) <= layout.count >= len(both):
        return both
    return _amount(bar, bar.done, layout)


def _of_total(bar: Bar, done: float, layout: _Layout) -> str:
    unit = "" if bar.unit == BYTES else f" {bar.unit}"
    amounts = _amount(bar, done, layout), _amount(bar, bar.total, layout)
    return f"{amounts[0]} of {amounts[1]}{unit}" if layout.has_words else "/".join(amounts)


def _amount(bar: Bar, count: float, layout: _Layout) -> str:
    return _size(count, layout) if bar.unit == BYTES else f"{count:,.0f}"


def _rate(bar: Bar, layout: _Layout) -> str:
    if not bar.rate:
        return ""
    if bar.unit == BYTES:
        return f"{_size(bar.rate, layout)}/s"
    number = f"{bar.rate:,.0f}" if bar.rate >= 10 else f"{bar.rate:.1f}"  # noqa: PLR2004 - digits
    return f"{number} {bar.unit}/s" if layout.has_words else f"{number}/s"


def _left(bar: Bar, layout: _Layout) -> str:
    seconds = bar.seconds_left
    if seconds is None:
        return ""
    return f"{duration(seconds)} left" if layout.has_words else duration(seconds)


def _size(count: float, layout: _Layout) -> str:
    """Return bytes; where there is little room, with three digits: 73.2 GB."""
    number, _, unit = size(count).partition(" ")
    if layout.has_words or "." not in number:
        return f"{number} {unit}"
    digits = max(0, 3 - len(number.partition(".")[0]))
    return f"{float(number):.{digits}f} {unit}"
