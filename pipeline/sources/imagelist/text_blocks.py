"""The text of a list in blocks of whole lines, so that no list is ever held whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from pipeline import storage
from pipeline.sources.imagelist.lst_refusals import check_text, refused
from pipeline.storage import Location

ROWS: Final = 1 << 14
"""How many lines a block has at most."""

BOM: Final = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8, which some editors write."""

_STEP: Final = 1 << 19  # bytes that are read at once
_LONGEST: Final = 1 << 20  # bytes of a line: some 25,000 objects


def text_blocks(path: Location) -> Iterator[tuple[int, bytes]]:
    """Yield blocks of a list: the number of the first line, from 1, and the lines in UTF-8.

    Each line ends in LF, the last one too; a byte order mark is taken away.

    Raises:
        BadAnnotation: a line is longer than 1 MiB, or is not UTF-8.
        Vanished: there is no such file.
    """
    rest, line, offset = b"", 1, 0
    with storage.open_ranges(path) as file:
        while view := file.read(offset, min(_STEP, file.info.size - offset)):
            content = (rest + view).removeprefix(b"" if offset else BOM)
            offset += len(view)
            if offset == file.info.size and not content.endswith(b"\n"):
                content += b"\n"
            ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n")) + 1
            stops = np.append(0, ends)
            lengths = np.diff(stops, append=len(content))
            if lengths.max() > _LONGEST:
                number = line + int(np.argmax(lengths > _LONGEST))
                found = f"{lengths.max()} bytes or more"
                raise refused(
                    path, number, "a line is too long", f"at most {_LONGEST} bytes", found
                )
            for first in range(0, len(ends), ROWS):
                last = min(first + ROWS, len(ends))
                block = content[stops[first] : stops[last]]
                check_text(path, line + first, block)
                yield line + first, block
            line, rest = line + len(ends), content[stops[-1] :]


def text_lines(path: Location) -> Iterator[str]:
    """Yield the lines of a list, each with its LF; errors as of `text_blocks`."""
    for _, block in text_blocks(path):
        for line in block.decode().split("\n")[:-1]:
            yield f"{line}\n"
