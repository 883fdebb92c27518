"""Which parts of a file are there, and which are still to be fetched; nothing here does I/O.

A file is cut into parts of `PART` bytes. Of each part so many of its first bytes are there, with
their xxh3-128: so a part that a power failure has eaten is noticed when it is read again, and only
that part is fetched anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

PART: Final = 16 << 20
"""Bytes of a part; the last one of a file may be shorter."""


@dataclass(frozen=True)
class Piece:
    """What is there of a part.

    Attributes:
        length: how many of its first bytes.
        xxh3_128: their hash, in hex.
        origin: the number of the place that they came from.
    """

    length: int
    xxh3_128: str
    origin: int


class Parts:
    """The parts of a file of a known size.

    Args:
        size: of the whole file, in bytes.
        pieces: what is there, by the number of the part.
        part: bytes of a part; 0: `PART`.
    """

    def __init__(self, size: int, pieces: Mapping[int, Piece] | None = None, part: int = 0) -> None:
        self.size = size
        self.part = part or PART
        self.pieces = dict(pieces or {})
        self._front = 0  # parts in a row from the first one on that were whole when last asked

    @property
    def count(self) -> int:
        """How many parts the file has."""
        return -(-self.size // self.part)

    @property
    def present(self) -> int:
        """How many bytes are there."""
        return sum(piece.length for piece in self.pieces.values())

    @property
    def complete(self) -> bool:
        """Whether every byte is there."""
        return self.front == self.size

    @property
    def front(self) -> int:
        """Where the unbroken row of whole parts from the beginning on ends, in bytes."""
        while self._front < self.count and self.is_whole(self._front):
            self._front += 1
        return min(self._front * self.part, self.size)

    def extent(self, number: int) -> tuple[int, int]:
        """Return where a part begins and how long it is, in bytes."""
        start = number * self.part
        return start, min(self.part, self.size - start)

    def is_whole(self, number: int) -> bool:
        """Whether all of a part is there."""
        piece = self.pieces.get(number)
        return piece is not None and piece.length == self.extent(number)[1]

    def next_missing(self, busy: Iterable[int]) -> int | None:
        """Return the first part that is not whole and not among the busy ones; None: there is none.

        The first, so that the unbroken front, which the checksum follows, moves on.
        """
        taken = set(busy)
        self.front  # noqa: B018 - moves `_front` on
        return next(
            (
                number
                for number in range(self._front, self.count)
                if number not in taken and not self.is_whole(number)
            ),
            None,
        )

    def put(self, number: int, piece: Piece) -> None:
        """Note what is there of a part."""
        self.pieces[number] = piece

    def lose(self, number: int) -> None:
        """Note that nothing usable is there of a part."""
        self.pieces.pop(number, None)
        self._front = min(self._front, number)

    def keep(self, wanted: Callable[[Piece], bool]) -> int:
        """Lose every part but the wanted ones; return how many bytes were lost."""
        before = self.present
        self.pieces = {number: each for number, each in self.pieces.items() if wanted(each)}
        self._front = 0
        return before - self.present
