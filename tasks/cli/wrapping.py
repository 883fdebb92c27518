"""Text as the lines of a terminal: broken at blanks, its further lines indented.

A terminal breaks a long line wherever it ends, within a word. What is there to be copied is left
to it all the same, since it knows that such a line is one: a command, a path, a text in backticks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Final, TextIO

NARROWEST: Final = 20
"""Columns of a terminal below which nothing is gained by choosing where lines end."""
LESSER_TERMINALS: Final = frozenset({"dumb", "unknown"})
"""Values of ``TERM`` for which lines are printed as they are, as into a file."""

_LABEL: Final = re.compile(r" *(?:[^:`]{1,20}: +|\S+ {2,})?")
_COMMAND: Final = re.compile(r"(?:shardmill|uv|pip|\S*/python[\d.]*) (?!.*, (?:and|or|then|to) )")
_WORD: Final = re.compile(r"(?:`[^`]*`|[^ `]|`)+")
_INDENT: Final = 2
_WIDEST_HANG: Final = 0.4  # of the width
_EARLY: Final = 0.5  # likewise: what fits into no line begins in one that is no fuller


def width_of(stream: TextIO) -> int | None:
    """Return how many columns a stream's terminal has; None: it is none, or one of the lesser."""
    if not stream.isatty() or os.environ.get("TERM", "dumb").lower() in LESSER_TERMINALS:
        return None
    given = os.environ.get("COLUMNS", "")
    try:
        width = int(given) if given.isdecimal() else os.get_terminal_size(stream.fileno()).columns
    except OSError:  # no terminal, whatever it says
        return None
    return width if width >= NARROWEST else None


def fitting(text: str, stream: TextIO) -> str:
    """Return a text as a stream's terminal is to show it; as it is where there is none."""
    width = width_of(stream)
    return text if width is None else wrapped(text, width)


def wrapped(text: str, width: int) -> str:
    """Return a text whose lines are no wider than a terminal, but for what is to be copied.

    Further lines of a line begin below its text where that stands behind a label, as in
    ``  to do:    correct it`` or ``  130  interrupted``; else two columns to the right of its
    beginning.

    Args:
        text: lines.
        width: of the terminal, in cells.
    """
    if text.isascii() and len(text) <= width:
        return text
    return "\n".join(part for line in text.split("\n") for part in _parts(line, width))


def _parts(line: str, width: int) -> Iterator[str]:
    from rich.cells import cell_len  # noqa: PLC0415 - 15 ms, and not every text is broken

    label = _LABEL.match(line)
    start = label.end() if label else 0
    if cell_len(line) <= width or _COMMAND.match(line, start):
        yield line
        return
    indent = len(line) - len(line.lstrip(" "))
    hang = cell_len(line[:start]) if 0 < indent < start else indent + _INDENT
    if hang > _WIDEST_HANG * width:
        hang = indent + _INDENT if indent <= _WIDEST_HANG * width else _INDENT
    part, before = "", 0
    for word in _WORD.finditer(line, indent):
        if not part:
            part, before = line[: word.end()], word.end()
            continue
        gap = " " * (word.start() - before)  # columns are kept where they fit
        before = word.end()
        taken = (cell_len(part) - 1) % width + 1 + len(gap)  # a part may be longer than a line
        length = cell_len(word[0])
        if taken + length <= width:
            part += gap + word[0]
        elif hang + length > width and taken < _EARLY * width:
            part += gap + word[0]  # it fits nowhere: the terminal breaks it, and copies it whole
        else:
            yield part
            part = " " * hang + word[0]
    yield part
