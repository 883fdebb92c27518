"""Bytes on their way from a server into the hidden file: written in place, and hashed.

libcurl passes on 16 KiB at a time. They are gathered, so that a write and a hash have more to do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

import xxhash

from pipeline.storage.http.fetch.partial import Partial
from pipeline.storage.http.fetch.parts import Parts, Piece

GATHERED: Final = 1 << 19
"""Bytes that are written at once; each connection has a buffer of this size."""


class Gatherer(ABC):
    """Gathers bytes until they are worth a write.

    What writes them is a class that inherits from this one: an object that held a method of its
    holder would keep it, and half a megabyte for each part, until the collector of cycles came by.

    Attributes:
        pending: how many are not written yet.
    """

    def __init__(self) -> None:
        self.pending = 0
        self._buffer = memoryview(bytearray(GATHERED))

    @abstractmethod
    def write(self, data: memoryview) -> None:
        """Write the next bytes, valid during the call."""

    def gather(self, data: memoryview) -> None:
        """Take the next bytes."""
        end = self.pending + len(data)
        if end > GATHERED:
            self.flush()
            end = len(data)
            if end > GATHERED:
                self.write(data)
                return
        self._buffer[self.pending : end] = data
        self.pending = end

    def flush(self) -> None:
        """Write what was gathered; if that fails, it is lost."""
        if self.pending:
            count, self.pending = self.pending, 0
            self.write(self._buffer[:count])


class PartArrival(Gatherer):
    """A part on its way.

    Args:
        partial: where it is written.
        parts: what is there of the file.
        number: of the part.
        origin: the number of the place that it comes from. What is there of the part from another
            place is not gone on with.
        noted: called with how many more bytes of the part are there each time some have come; it
            is less than 0 where the server has begun the range anew.
    """

    def __init__(
        self,
        partial: Partial,
        parts: Parts,
        number: int,
        origin: int,
        noted: Callable[[int], object],
    ) -> None:
        super().__init__()
        self.number = number
        self.start, self.length = parts.extent(number)
        self._partial, self._origin, self._noted = partial, origin, noted
        self._hash = xxhash.xxh3_128()
        self._written = 0
        piece = parts.pieces.get(number)
        if piece is not None and piece.origin == origin:
            self._hash_again(piece.length)
            if self._hash.hexdigest() != piece.xxh3_128:
                self._hash_again(0)
        self.began = self._written

    @property
    def have(self) -> int:
        """How many bytes of the part are there, or about to be written."""
        return self._written + self.pending

    @property
    def piece(self) -> Piece | None:
        """What is written of the part; None: nothing."""
        if not self._written:
            return None
        return Piece(self._written, self._hash.hexdigest(), self._origin)

    def take(self, before: int, data: memoryview) -> None:
        """Take the next bytes; so many of what was asked for are before them."""
        had = self._written + self.pending
        if self.began + before < had:  # the server has begun the range anew
            self.flush()
            self._hash_again(self.began + before)
            self._noted(self._written - had)
        self.gather(data)
        self._noted(len(data))

    def write(self, data: memoryview) -> None:
        """Write the next bytes where they belong, and hash them."""
        self._partial.write_at(self.start + self._written, data)
        self._hash.update(data)
        self._written += len(data)

    def _hash_again(self, length: int) -> None:
        self._hash.reset()
        self._written = 0
        for data in self._partial.pieces(self.start, length):
            self._hash.update(data)
            self._written += len(data)
