"""The lines of a large text file, some thousands at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from pipeline import plaintext, storage
from pipeline.errors import BadAnnotation
from pipeline.storage import Location

LONGEST: Final = 1 << 22
"""Bytes that a line may have, and a row of several lines, too."""

_BOM: Final = b"\xef\xbb\xbf"
_STEP: Final = 1 << 17  # bytes that are read at once: they stay in a processor's cache
_LINE_END: Final = ord("\n")


Tell = Callable[[int], object]
"""Is told how many bytes of a file were read, time and again."""


def blocks(path: Location, tell: Tell | None = None) -> Iterator[tuple[int, bytes]]:
    """Yield whole lines, some at a time, and the number of the first of them, from 1.

    A byte order mark is left out. Every line ends in LF, where the file has CR LF or, at its end,
    nothing, too.

    Raises:
        BadAnnotation: a line is longer than `LONGEST`.
        Vanished: there is no such file.
    """
    line, rest = 1, b""
    for piece in _pieces(path, tell):
        end = piece.rfind(b"\n") + 1
        if not end:
            rest += piece
            if len(rest) > LONGEST:
                raise _too_long(path, line, rest)
            continue
        content = _unix(b"".join((rest, memoryview(piece)[:end])))
        yield line, content
        line, rest = line + _line_ends(content), piece[end:]
    if rest:
        yield line, _unix(rest) + b"\n"


def _pieces(path: Location, tell: Tell | None) -> Iterator[bytes]:
    with storage.open_ranges(path) as file:
        offset = 0
        while piece := bytes(file.read(offset, _STEP)):
            yield piece if offset else piece.removeprefix(_BOM)
            offset += len(piece)
            if tell is not None:
                tell(offset)


def _line_ends(content: bytes) -> int:
    """Return how many there are; `bytes.count` takes ten times as long."""
    return int(np.count_nonzero(np.frombuffer(content, np.uint8) == _LINE_END))


def _unix(content: bytes) -> bytes:
    return content.replace(b"\r\n", b"\n") if b"\r" in content else content


def _too_long(path: Location, line: int, content: bytes) -> BadAnnotation:
    return BadAnnotation(
        "a line is too long",
        file=str(path),
        place=f"line {line}",
        expected=f"at most {LONGEST:,} bytes",
        found=plaintext.quoted(content),
        remedy="give the CSV file as it is published, not a packed or binary one",
    )
