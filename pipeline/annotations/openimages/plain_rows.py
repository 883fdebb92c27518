"""Rows of a CSV file without quotes: where each of their fields is, found for many rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Final

import numpy as np
from numpy.typing import NDArray

_COMMA: Final = ord(",")
_LINE_END: Final = ord("\n")
_ODD: Final = (b'"', b"\r", b"\0")
_NARROW: Final = 32  # bytes

Places = NDArray[np.int64]
"""Places of bytes in a block, or of rows among others."""


@dataclass(frozen=True, eq=False)
class PlainRows:
    """Rows of which every one has the same number of fields, and none has a quote.

    Attributes:
        content: their bytes; each row ends in LF.
        ends: (rows, fields): where each field ends, which is the place of a comma or of the LF.
    """

    content: bytes
    ends: Places

    def __len__(self) -> int:
        return len(self.ends)

    def fields(self, place: int, chosen: Sequence[int] | None = None) -> list[bytes]:
        """Return a field of each row, or of some rows.

        Args:
            place: of the field in a row, from 0.
            chosen: places of rows; None: all of them.
        """
        stops = self.ends[:, place]
        starts = self._starts() if place == 0 else self.ends[:, place - 1] + 1
        if chosen is not None:
            starts, stops = starts[chosen], stops[chosen]
        return self._narrow(starts, stops) or self._pieces(starts, stops)

    def rows(self, chosen: Sequence[int], fields: int) -> list[bytes]:
        """Return the bytes of some rows, up to the end of a field; `fields` is how many these are.

        The comma, or LF, behind the last of them is left out.
        """
        if len(chosen) == len(self) and fields == self.ends.shape[1]:
            return self.content[:-1].split(b"\n")
        return self._pieces(self._starts()[chosen], self.ends[chosen, fields - 1])

    def _starts(self) -> Places:
        starts = np.zeros(len(self), np.int64)
        starts[1:] = self.ends[:-1, -1] + 1
        return starts

    def _narrow(self, starts: Places, stops: Places) -> list[bytes]:
        """Return pieces of the content if all are narrow, in a third of the time; [] if not."""
        widths = stops - starts
        widest = int(widths.max(initial=0))
        room = len(self.content) - widest
        if not 0 < widest <= _NARROW or starts[-1] > room:
            return []
        every = np.ndarray((room + 1,), f"S{widest}", self.content, strides=(1,))
        pieces = every[starts]
        pieces.view(np.uint8).reshape(-1, widest)[np.arange(widest) >= widths[:, np.newaxis]] = 0
        narrow: list[bytes] = pieces.tolist()  # which takes NUL for the end
        return narrow

    def _pieces(self, starts: Places, stops: Places) -> list[bytes]:
        bounds = zip(starts.tolist(), stops.tolist(), strict=True)
        return list(map(self.content.__getitem__, starmap(slice, bounds)))


def parse(content: bytes, width: int) -> PlainRows | None:
    """Find the fields of rows; None: a row has a quote, a CR, a NUL, or another number of fields.

    Every row is looked at: one that is too long does not make up for one that is too short.

    Args:
        content: whole lines, which end in LF.
        width: how many fields each row should have, 2 at least.
    """
    if any(odd in content for odd in _ODD):
        return None
    characters = np.frombuffer(content, np.uint8)
    ends_line = characters == _LINE_END
    lines = int(np.count_nonzero(ends_line))
    ends: Places = np.flatnonzero(ends_line | (characters == _COMMA))
    if len(ends) != lines * width:
        return None
    # As many lines end as there are rows, so each ends behind its last field, and nowhere else.
    if not ends_line[ends[width - 1 :: width]].all():
        return None
    return PlainRows(content, ends.reshape(lines, width))
