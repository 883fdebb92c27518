"""A file of which Arrow reads the parts that it wants, wherever it lies."""

from __future__ import annotations

import io
import os

from pipeline.storage import Ranges


class RangesFile(io.RawIOBase):
    """The ranges of a file as a binary stream that can seek; closing it leaves these open."""

    def __init__(self, ranges: Ranges) -> None:
        self._ranges, self._at = ranges, 0

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def seekable(self) -> bool:
        """Return that it can seek."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to an offset."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._ranges.info.size}
        self._at = base[whence] + offset
        return self._at

    def tell(self) -> int:
        """Return the offset."""
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """Return so many bytes, or all; fewer only at the end."""
        there = self._ranges.info.size - self._at
        found = bytes(self._ranges.read(self._at, max(0, there if size < 0 else min(size, there))))
        self._at += len(found)
        return found
