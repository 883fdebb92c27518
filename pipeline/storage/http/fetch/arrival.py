"""Bytes on their way from a server into the hidden file: written in place, and hashed."""

from __future__ import annotations

from collections.abc import Callable

import xxhash

from pipeline.storage.http.fetch.partial import Partial
from pipeline.storage.http.fetch.parts import Parts, Piece


class PartArrival:
    """A part on its way.

    Args:
        partial: where it is written.
        parts: what is there of the file.
        number: of the part.
        origin: the number of the place that it comes from. What is there of the part from another
            place is not gone on with.
        noted: called with the number of bytes each time some have come.
    """

    def __init__(
        self,
        partial: Partial,
        parts: Parts,
        number: int,
        origin: int,
        noted: Callable[[int], object],
    ) -> None:
        self.number = number
        self.start, self.length = parts.extent(number)
        self._partial, self._origin, self._noted = partial, origin, noted
        self._hash = xxhash.xxh3_128()
        self.have = 0
        piece = parts.pieces.get(number)
        if piece is not None and piece.origin == origin:
            self._hash_again(piece.length)
            if self._hash.hexdigest() != piece.xxh3_128:
                self._hash_again(0)
        self.began = self.have

    @property
    def piece(self) -> Piece | None:
        """What is there of the part; None: nothing."""
        return Piece(self.have, self._hash.hexdigest(), self._origin) if self.have else None

    def take(self, before: int, data: memoryview) -> None:
        """Take the next bytes; so many of what was asked for are before them."""
        if self.began + before < self.have:  # the server has begun the range anew
            self._hash_again(self.began + before)
        self._partial.write_at(self.start + self.have, data)
        self._hash.update(data)
        self.have += len(data)
        self._noted(len(data))

    def _hash_again(self, length: int) -> None:
        self._hash.reset()
        self.have = 0
        for data in self._partial.pieces(self.start, length):
            self._hash.update(data)
            self.have += len(data)
