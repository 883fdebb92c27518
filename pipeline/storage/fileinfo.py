"""What a store says of a file or an object without its content."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Final

import xxhash

_UNSETTLED: Final = 0  # no file has this number, see `pipeline.storage.local.stamps`
_FIRST: Final = 2  # the smaller ones have meanings of their own


@dataclass(frozen=True)
class FileInfo:
    """Size and stamp of a file.

    Attributes:
        size: bytes.
        stamp: a text that is another one after the content was replaced, and is compared with
            itself only. Of a local file: the time of its last modification, in nanoseconds since
            the epoch. Of an object in S3: its ETag, and its version where it has one. On a web
            server: its strong ETag, else when it was modified last.
    """

    size: int
    stamp: str

    @property
    def look(self) -> str:
        """Size and stamp as a part of a file name; a stamp that is no number is hashed."""
        stamp = self.stamp
        if not (stamp.isascii() and stamp.removeprefix("-").isdigit()):
            stamp = hashlib.sha256(stamp.encode()).hexdigest()[:16]
        return f"{self.size}-{stamp}"

    @property
    def number(self) -> int:
        """Size and stamp as a number, as it is recorded of images that are files of their own."""
        if not self.stamp:
            return _UNSETTLED
        return max(xxhash.xxh3_64_intdigest(f"{self.size} {self.stamp}".encode()), _FIRST)

    @classmethod
    def of(cls, info: os.stat_result) -> FileInfo:
        """Return size and stamp of a local file."""
        return cls(info.st_size, str(info.st_mtime_ns))
