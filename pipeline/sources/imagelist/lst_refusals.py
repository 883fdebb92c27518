"""How image lists are refused: by file and line, with what was expected and what was found."""

from __future__ import annotations

from typing import Final

from pipeline.archives.parquet_names import is_parquet
from pipeline.errors import BadAnnotation
from pipeline.storage import Location

SHOWN: Final = 120
"""How many characters of a line are shown."""
REMEDY: Final = "correct the list; with TABs between all fields it is read in one way only"
"""What can be done about a line that is almost of the form."""

_UNITS: Final = "save it as UTF-8: iconv -f UTF-16"
_BYTES: Final = "save it as UTF-8; if Windows wrote it, most likely by: iconv -f CP1252"
_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")  # its byte order marks


def shown(text: str) -> str:
    """Return the beginning of a text as it is shown."""
    return repr(text[:SHOWN]) + "..." * (len(text) > SHOWN)


def check_text(path: Location, first: int, content: bytes) -> None:
    """Check that lines are UTF-8.

    Args:
        path: the list.
        first: the number of the first of the lines, from 1.
        content: the lines.

    Raises:
        BadAnnotation: they are not; it names the first that is not.
    """
    try:
        content.decode()
    except UnicodeDecodeError as error:
        ending = path.suffix if path.suffix[1:].isalnum() else ".lst"  # it says how a list is read
        written = f" -t UTF-8 LIST > NEW{ending}"
        if first == 1 and content.startswith(_UTF16):
            what, remedy = "a list in UTF-16, as Windows writes it", _UNITS + written
            raise refused(path, 1, what, "UTF-8", ascii(content[:SHOWN]), remedy) from error
        line = content.count(b"\n", 0, error.start)
        found, remedy = ascii(content.split(b"\n")[line][:SHOWN]), _BYTES + written
        raise refused(
            path, first + line, "a line that is no text", "UTF-8", found, remedy
        ) from error


def refused(
    path: Location, line: int, what: str, expected: str, found: str, remedy: str = REMEDY
) -> BadAnnotation:
    """Return the refusal of a line, of Parquet that of a row."""
    unit = "row" if is_parquet(path.name) else "line"
    return BadAnnotation(
        what,
        file=str(path),
        place=f"{unit} {line}",
        expected=expected,
        found=found,
        remedy=remedy,
    )
