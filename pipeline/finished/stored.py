"""The bytes of chosen images, read from shards by the offsets that the facts have of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import xxhash

from pipeline import storage
from pipeline.errors import OutputDamaged
from pipeline.finished.outputs import CountingOutput
from pipeline.state.image_lookup import FoundImage, OpenOutput, read_record

_SIGNATURES: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
"""How the images begin that shards hold."""


class StoredImages:
    """Reads images of one output; a shard stays open until another is asked for.

    Args:
        output: the output, with a manifest.
    """

    def __init__(self, output: CountingOutput) -> None:
        self._output = output
        self._stack = contextlib.ExitStack()
        self._shard = -1
        self._reader: storage.Ranges | None = None

    def read(self, row: Mapping[str, Any]) -> bytes:
        """Return an image as it is stored.

        Args:
            row: of `tables.CHOSEN`.

        Raises:
            OutputDamaged: it is not as it was written.
            Vanished: the shard is gone.
        """
        record = self._open(row["shard"]).read(row["offset"], row["length"])
        for image in _candidates(record, row["bytes"]):
            if xxhash.xxh3_128_hexdigest(image) == row["xxh3_128"]:
                return bytes(image)
        # Its bytes are divided in the record, or are not what they were.
        return self._parsed(row)

    def close(self) -> None:
        """Close the shard."""
        self._reader = None  # before: a shard that cannot be opened leaves none
        self._stack.close()

    def _open(self, shard: int) -> storage.Ranges:
        if self._reader is None or shard != self._shard:
            path = self._output.shard(shard)
            if path is None:
                raise LookupError(f"{self._output.place} has no shards")
            self.close()
            self._reader = self._stack.enter_context(storage.open_ranges(path))
            self._shard = shard
        return self._reader

    def _parsed(self, row: Mapping[str, Any]) -> bytes:
        document = self._output.document
        if document is None:
            raise OutputDamaged("there is no manifest", file=str(self._output.folder))
        opened = OpenOutput(self._output.out, self._output.folder, document)
        return read_record(FoundImage(opened, row, None)).image


def _candidates(record: memoryview, size: int) -> Iterator[memoryview]:
    """Yield where in a record an image of so many bytes may lie: in one piece, in most formats."""
    slack = len(record) - size
    if slack < 0:
        return
    head = bytes(record[: slack + max(map(len, _SIGNATURES))])
    for signature in _SIGNATURES:
        place = head.find(signature)
        while 0 <= place <= slack:
            yield record[place : place + size]
            place = head.find(signature, place + 1)
