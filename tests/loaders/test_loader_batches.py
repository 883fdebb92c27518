"""Batches are columns of what records say, in the order of the epochs that follow on a position."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from finishedoutputs import prepared
from support import RawSet

from pipeline.loaders.batches import COLUMNS, BatchReader, Epochs
from pipeline.loaders.division import Consumer
from pipeline.loaders.layouts import LAYOUTS
from pipeline.loaders.position import Position
from pipeline.loaders.records import Records, open_records


def reader(records: Records, batch_size: int, begin: Position, memories: int = 1) -> BatchReader:
    epochs = Epochs(records.order(3), Consumer(), begin)
    return BatchReader(records, epochs, batch_size, memories)


def batches(reader: BatchReader, epoch: int) -> list[list[tuple[Any, ...]]]:
    """What every image of each batch of an epoch has."""
    read, number = list[list[tuple[Any, ...]]](), 0
    while (columns := reader.read(epoch, number)) is not None:
        assert len(columns) == len(COLUMNS)
        images = [image.tobytes() for image in columns[0]]
        read.append(list(zip(images, *columns[1:], strict=True)))
        number += 1
    return read


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_columns_are_what_the_records_say(small: RawSet, out: Path, name: str) -> None:
    prepared(small, out, "--format", "tfrecord", "--format", "webdataset")
    records = open_records(out, "train", shard_format=name, decode=False)
    read = batches(reader(records, 7, Position(epoch=1)), epoch=0)
    numbers = records.order(3).epoch(1, Consumer()).tolist()
    assert [len(batch) for batch in read[:-1]] == [7] * (len(records) // 7)
    rows = [row for batch in read for row in batch]
    for number, (encoded, label, labels, filename, bbox, bbox_label) in zip(
        numbers, rows, strict=True
    ):
        expected = records[number]
        assert encoded == expected["encoded"]
        assert (label.tolist(), label.dtype) == ([expected["label"]], np.int64)
        assert (labels.tolist(), labels.dtype) == ([], np.float32)
        assert (filename.tobytes().decode(), filename.dtype) == (expected["filename"], np.uint8)
        assert np.array_equal(bbox, expected["bbox"])
        assert (bbox.shape, bbox.dtype) == (expected["bbox"].shape, np.float32)
        assert np.array_equal(bbox_label, expected["bbox_label"])
        assert bbox_label.dtype == np.int64
        assert bbox.flags.c_contiguous
    assert len({len(row[4]) for row in rows}) > 1  # of boxes


def test_epochs_follow_on_a_position_also_in_another_process(small: RawSet, out: Path) -> None:
    prepared(small, out, "--format", "tfrecord")
    records = open_records(out, "train", decode=False)
    whole = [batches(reader(records, 2, Position(epoch)), 0) for epoch in (4, 5)]
    assert whole[0] != whole[1]
    begun = reader(records, 2, Position(4, (6,)), memories=3)
    sent: BatchReader = pickle.loads(pickle.dumps(begun))  # noqa: S301 - our own
    for each in (begun, sent):
        assert repr([batches(each, epoch) for epoch in (0, 1)]) == repr([whole[0][3:], whole[1]])


def test_images_are_valid_until_as_many_batches_were_read(small: RawSet, out: Path) -> None:
    prepared(small, out, "--format", "tfrecord")
    records = open_records(out, "train", decode=False)
    three = reader(records, 1, Position(), memories=3)
    kept = [three.read(0, number) for number in range(3)]
    images = [columns[0][0].tobytes() for columns in kept if columns]
    numbers = records.order(3).epoch(0, Consumer())[:3].tolist()
    assert images == [records[number]["encoded"] for number in numbers]
