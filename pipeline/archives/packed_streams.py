"""Programs' ways of packing, as what yields the bytes that a stream of packed ones stands for."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa

Pieces = Callable[["Packed"], Iterator[bytes]]
"""Yields what packed bytes stand for, at most `STEP` at a time, perhaps no bytes.

Raises `EOFError` where the packed bytes end too early, and what its library raises of damaged ones.
"""

STEP: Final = 1 << 18
"""How many bytes are unpacked, or read, at once at most."""


class Packed(io.RawIOBase):
    """Packed bytes, as a file that is read once from its first byte to its last.

    Args:
        take: returns the bytes from an offset on, as many as asked for, or those that there are.
        look: shown them, in order.
    """

    def __init__(
        self, take: Callable[[int, int], memoryview], look: Callable[[memoryview], None]
    ) -> None:
        super().__init__()
        self._take, self._look = take, look
        self.at = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def read(self, size: int = STEP, /) -> bytes:
        """Return the next bytes, at most so many; none at the end."""
        view = self._take(self.at, size)
        self._look(view)
        self.at += len(view)
        return bytes(view)


def streams(decoder: Callable[[], Any]) -> Pieces:
    """Return what unpacks streams, each by an object with the interface of `bz2.BZ2Decompressor`.

    One stream may follow another, as programs write them that pack in parallel, and zeros the last.
    """

    def pieces(source: Packed) -> Iterator[bytes]:
        stream = decoder()
        while packed := source.read(STEP):
            while packed or not (stream.eof or stream.needs_input):
                if stream.eof:
                    packed = packed.lstrip(b"\0")
                    if not packed:
                        break
                    stream = decoder()
                yield stream.decompress(packed, STEP)
                packed = stream.unused_data if stream.eof else b""
        if not stream.eof:
            raise EOFError

    return pieces


def zstd_frames(source: Packed) -> Iterator[bytes]:
    """Unpack frames of zstd, one behind the other, and pass over those that are to be skipped.

    The memory of a frame is limited to the 128 MiB that zstd itself takes unasked.
    """
    with pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd") as stream:
        while piece := stream.read(STEP):
            yield piece
