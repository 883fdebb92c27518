"""Bucket sort on disk: rows that do not fit into memory, in a temporary file for each bucket."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import storage
from pipeline.storage import Location

_BUFFER = 1 << 16  # bytes


class Buckets:
    """Takes rows in any order and gives them back bucket by bucket.

    The rows of a bucket keep their order. Leaving the context removes the files.

    Args:
        path: what the temporary files are for; they lie beside it.
        schema: of the rows; the values of a dictionary column are to be the same in all.
        count: how many buckets there are; each is an open file.
        buffer: bytes of each file that are written at once.
    """

    def __init__(
        self, path: Location, schema: pa.Schema, count: int, buffer: int = _BUFFER
    ) -> None:
        self._names = [path.with_name(f"{path.name}.{bucket}") for bucket in range(count)]
        self._schema = schema
        self._buffer = buffer
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._files = [stack.enter_context(storage.StagedFile(name)) for name in self._names]
            self._writing = stack.enter_context(ExitStack())
            self._writers = [
                self._writing.enter_context(pa.ipc.new_stream(stream, self._schema))
                for stream in [
                    self._writing.enter_context(file.stream(self._buffer)) for file in self._files
                ]
            ]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def add(self, rows: pa.Table, numbers: NDArray[np.int64]) -> None:
        """Add rows, each to the bucket of its number; `numbers` has the shape [rows]."""
        order = np.argsort(numbers, kind="stable")
        (sorted_rows,) = rows.take(pa.array(order)).combine_chunks().to_batches()
        ends = np.cumsum(np.bincount(numbers, minlength=len(self._writers)))
        for writer, start, stop in zip(self._writers, [0, *ends], ends, strict=False):
            if stop > start:
                writer.write_batch(sorted_rows.slice(start, stop - start))

    def read(self, bucket: int) -> pa.Table:
        """Return the rows of a bucket; after the first call none can be added."""
        self._writing.close()
        with storage.open_arrow(self._files[bucket].temp) as file:
            return pa.ipc.open_stream(file).read_all()
