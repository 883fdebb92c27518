"""Bars that are drawn on a terminal, again and again in the same lines."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from tasks.cli.bars import Bar
from tasks.cli.screen import ASCII, UNICODE, screen


@contextlib.contextmanager
def drawing(terminal: TextIO) -> Iterator[Callable[[Sequence[Bar]], None]]:
    """Give a function that draws bars in the place of those that it drew before."""
    console = Console(file=terminal, force_terminal=True, color_system=None)
    with Live(console=console, transient=True, auto_refresh=False) as live:
        yield lambda bars: live.update(_drawn(bars, console), refresh=True)


def _drawn(bars: Sequence[Bar], console: Console) -> Text:
    glyphs = UNICODE if console.encoding.startswith("utf") else ASCII
    lines = screen(bars, console.width, max(1, console.height - 1), glyphs)
    return Text("\n".join(lines), no_wrap=True, overflow="crop")
