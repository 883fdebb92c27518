"""Batches of records as columns of arrays, read many records at once, in the order of epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.catalog.objects import Box
from pipeline.loaders.division import Consumer
from pipeline.loaders.order import Order
from pipeline.loaders.position import Position
from pipeline.loaders.records import Records

Column = list[NDArray[Any]] | NDArray[Any]
"""An array an image, or one with the images as its first dimension, which is taken faster."""

COLUMNS: Final = ("encoded", "label", "labels", "filename", "bbox", "bbox_label")
_SIDES: Final = (1, 0, 3, 2)  # of (xmin, ymin, xmax, ymax), which records have, as y before x


class Epochs:
    """The numbers of records, in the order of the epochs that follow on a position."""

    def __init__(self, order: Order, consumer: Consumer, begin: Position) -> None:
        self._order, self._consumer, self._begin = order, consumer, begin
        self._known: tuple[int, NDArray[np.int64]] | None = None

    def numbers(self, index: int) -> NDArray[np.int64]:
        """Return those of an epoch, counted from that of the position, as far as they are left."""
        if self._known is None or self._known[0] != index:
            numbers = self._order.epoch(self._begin.epoch + index, self._consumer)
            (taken,) = self._begin.taken if index == 0 else (0,)
            self._known = index, numbers[taken:]
        return self._known[1]


class BatchReader:
    """Reads batches by their numbers, one at a time, in whatever thread or process.

    Args:
        records: that are read.
        epochs: the numbers of the records.
        batch_size: how many are in a batch; the last one of an epoch may have fewer.
        memories: how many batches lie in memory at a time; the images of a batch are valid until
            so many others were read. Fresh memory for each would cost more in page faults than a
            copy, and much of it more than the processor's cache has.
        together: makes one thing of the images of a batch, which may be valid for longer.
    """

    def __init__(
        self,
        records: Records,
        epochs: Epochs,
        batch_size: int,
        memories: int,
        together: Callable[[list[NDArray[np.uint8]]], Any] | None = None,
    ) -> None:
        self._records, self._epochs, self._batch_size = records, epochs, batch_size
        self._buffers = [np.empty(0, np.uint8)] * memories
        self._together = together

    def read(self, epoch: int, number: int) -> tuple[Any, ...] | None:
        """Return a batch; None: the epoch has none left.

        Returns:
            The columns, in the order of `COLUMNS`; elements as `pipeline.loaders.dali` says them.

        Raises:
            ShardmillError: see `Records`.
        """
        begin = number * self._batch_size
        numbers = self._epochs.numbers(epoch)[begin : begin + self._batch_size].tolist()
        if not numbers:
            return None
        rows = self._records.batch(numbers, lambda size: self._memory(number, size))
        records = [record for record, _ in rows]
        images = [np.frombuffer(record.encoded, np.uint8) for record in records]
        return (
            images if self._together is None else self._together(images),
            np.array([[record.label] for record in records], np.int64),
            _column([record.labels for record in records], np.float32),
            _texts([record.filename for record in records]),
            _boxes([record.boxes for record in records]),
            _column([object_labels for _, object_labels in rows], np.int64),
        )

    def _memory(self, number: int, size: int) -> memoryview:
        at = number % len(self._buffers)
        buffer = self._buffers[at]
        if len(buffer) < size:
            buffer = self._buffers[at] = np.empty(size + size // 4, np.uint8)
        return buffer.data[:size]


def _column(rows: Sequence[Sequence[float]], dtype: type) -> Column:
    """Return the numbers of each image, in one conversion of all."""
    return _divided(np.array([*chain.from_iterable(rows)], dtype), [len(row) for row in rows])


def _boxes(rows: Sequence[Sequence[Box]]) -> Column:
    flat = np.array([*chain.from_iterable(rows)], np.float32).reshape(-1, len(_SIDES))
    return _divided(flat.take(_SIDES, axis=1), [len(row) for row in rows])


def _texts(texts: Sequence[str]) -> Column:
    encoded = [text.encode() for text in texts]
    return _divided(np.frombuffer(b"".join(encoded), np.uint8), [len(each) for each in encoded])


def _divided(flat: NDArray[Any], lengths: list[int]) -> Column:
    if len(set(lengths)) == 1:
        return flat.reshape(len(lengths), lengths[0], *flat.shape[1:])
    return [flat[begin:end] for begin, end in pairwise(accumulate(lengths, initial=0))]
