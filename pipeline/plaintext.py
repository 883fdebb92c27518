r"""Text on its way to people: screens, logs, Luigi's pages, e-mail, and tables for spreadsheets.

Names of members, files, classes and jobs are written by others. A terminal obeys escape sequences
in them, a line break forges a line of our own, a bidirectional override shows a command in another
order than the shell reads it in. So whatever leaves this program for people passes through here:
`line` at the edges that print, log or post, `Lines` where a text has several lines on purpose, and
`cell` in tables that people open.

What a character stands for stays readable: a line break is shown as ``\n``, an escape character as
``\x1b``, a byte that is no UTF-8 as Python's ``\udcff``. A backslash is not doubled, so that an
ordinary name is shown as it is, and escaping twice changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

_UNSHOWABLE: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters: C0, DEL, C1
    "\u202a-\u202e\u2066-\u2069"  # overrides and isolates of the direction of writing
    "\u061c\u200e\u200f"  # and its marks
    "\u2028\u2029"  # line and paragraph separators
    "\ufeff\U000e0000-\U000e007f"  # characters that nobody sees
    "\ud800-\udfff]"  # bytes that are no UTF-8, and lone surrogates
)
_UNSHOWABLE_BUT_LINE_FEED: Final = re.compile(f"(?!\n){_UNSHOWABLE.pattern}")
_SHORT: Final = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
_FORMULA: Final = re.compile(
    r"(?:\A|(?<=;))"  # spreadsheets of many countries separate the cells of a CSV file there
    r'(?=[ \xa0"]*[=+\-@'  # blanks and quotes are taken off
    "\uff1d\uff0b\uff0d\uff20])"  # the wide forms of East Asia
)
QUOTED: Final = 80
"""How many characters of a text that others wrote a message quotes."""
_ONE_BYTE, _TWO_BYTES = 0xFF, 0xFFFF


class Lines(str):
    """A text of several lines, none of which holds a line break that came with the data.

    Use it where a field of an error lists things: any other text is shown as one line.
    """

    __slots__ = ()

    @staticmethod
    def of(items: Iterable[object]) -> Lines:
        """Return one line for each item."""
        return Lines("\n".join(map(line, items)))


def line(text: object) -> str:
    """Return a text as one line that a terminal only shows."""
    return _UNSHOWABLE.sub(_escaped, str(text))


def beginning(text: object, most: int = QUOTED) -> str:
    """Return the first characters of a text of any length as one line, and whether it goes on."""
    whole = str(text)
    return line(whole[:most]) + ("..." if len(whole) > most else "")


def quoted(text: str | bytes, most: int = QUOTED) -> str:
    """Return the first characters or bytes of a text as Python spells them, between quotes."""
    return repr(text[:most])


def lines(text: object) -> str:
    """Return a text whose line feeds are meant, such as a message of an error or a traceback."""
    return _UNSHOWABLE_BUT_LINE_FEED.sub(_escaped, str(text))


def is_plain(text: str) -> bool:
    """Whether a text can be shown, copied and pasted as it is: nothing in it is out of sight.

    That is stricter than what `line` escapes: joiners of letters and blanks of no width count, too.
    """
    return all(each.isprintable() or unicodedata.category(each) == "Zs" for each in text)


def cell(text: object) -> str:
    """Return a text as a cell of a table that people open with a spreadsheet.

    What begins like a formula, in the cell or behind a semicolon in it, gets an apostrophe in
    front, which is how spreadsheets themselves mark text.
    """
    return _FORMULA.sub("'", line(text))


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    if code <= _ONE_BYTE:
        return _SHORT.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code <= _TWO_BYTES else f"\\U{code:08x}"
