"""Reads a finished output by `pipeline.loaders.mxnet`; prints JSON.

Runs in MXNet's environment, which has what the loader imports: ``loaders_mxnet.py OUT SPLIT``.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

import mxnet as mx
import numpy as np

from pipeline.errors import UsageError
from pipeline.loaders import mxnet

OUT, SPLIT = sys.argv[1:]
BATCH = 5
SHAPE = (3, 16, 16)
DECODED: dict[str, Any] = {"batch_size": BATCH, "data_shape": SHAPE, "resize": 16}


def opened(decode: bool, **given: Any) -> Any:
    more: dict[str, Any] = DECODED if decode else {}
    return mxnet.dataset(OUT, SPLIT, decode=decode, shuffle=True, seed=1, **more, **given)


def labels(data: Any) -> list[list[float]]:
    """The labels of each image that is left of an epoch."""
    if isinstance(data, mxnet.RecordReader):
        return [header.label.tolist() for header, _ in data]
    return [row for batch in data for row in batch_labels(batch)]


def batch_labels(batch: Any) -> list[list[float]]:
    rows: list[list[float]] = batch.label[0].asnumpy().tolist()
    return rows[: len(rows) - batch.pad]


def epochs(decode: bool) -> list[list[list[float]]]:
    """Two epochs and the first again."""
    data, read = opened(decode), []
    for epoch in (0, 1, 0):
        data.set_epoch(epoch)
        read.append(labels(data))
    return read


def following(decode: bool) -> list[list[list[float]]]:
    """Two epochs as a loop of MXNet reads them."""
    data, read = opened(decode), []
    for _ in range(2):
        data.reset()
        read.append(labels(data))
    return read


def by_workers() -> list[list[list[float]]]:
    """Two epochs of Gluon's loader with two workers."""
    data, read = opened(False), []
    for epoch in range(2):
        data.set_epoch(epoch)
        loader = mx.gluon.data.DataLoader(data, BATCH, num_workers=2, batchify_fn=batched)
        read.append([row for batch in loader for row in batch])
    return read


def batched(records: list[Any]) -> list[list[float]]:
    return [header.label.tolist() for header, _ in records]


def hosts(decode: bool) -> list[list[list[float]]]:
    return [labels(opened(decode, world=(rank, 2))) for rank in range(2)]


def resumed(decode: bool) -> list[list[float]]:
    """What another loader reads after two batches, or 10 records, of the second epoch."""
    data, other = opened(decode), opened(decode)
    data.set_epoch(1)
    begun = iter(data)
    for _ in range(2 if decode else 2 * BATCH):
        next(begun)
    other.load_state_dict(json.loads(json.dumps(data.state_dict())))
    return labels(other)


def ended(decode: bool) -> list[list[list[float]]]:
    """What another loader reads that begins where an epoch ends."""
    data, rest = opened(decode), list[list[list[float]]]()
    for behind in range(2):  # behind the last batch, and when there was none
        data.set_epoch(0)
        begun, other = iter(data), opened(decode)
        for _ in range((5 if decode else 24) + behind):
            next(begun, None)
        other.load_state_dict(json.loads(json.dumps(data.state_dict())))
        rest.append(labels(other))
    return rest


def other_sizes() -> list[Any]:
    """What is read, or said, from 10 images on by batches of 5, 10, 4 and 24 images."""
    data, found = opened(True), list[Any]()
    for _ in range(2):
        data.next()
    for size in (5, 10, 4, 24):
        given = {**DECODED, "batch_size": size, "shuffle": True, "seed": 1}
        other = mxnet.dataset(OUT, SPLIT, **given)
        try:
            other.load_state_dict(data.state_dict())
        except UsageError as error:
            found.append(error.what)
            assert len(labels(other)) == 24
        else:
            found.append(labels(other))
    return found


def stored() -> list[list[Any]]:
    """Labels and SHA-256 of each record, by number."""
    data = mxnet.dataset(OUT, SPLIT, decode=False)
    return [[head.label.tolist(), hashlib.sha256(image).hexdigest()] for head, image in data]


def shapes() -> list[Any]:
    data = opened(True)
    batch = data.next()
    arrays = [batch.data[0].asnumpy(), batch.label[0].asnumpy()]
    provided = [list(each[0].shape) for each in (data.provide_data, data.provide_label)]
    return [[list(array.shape), np.dtype(array.dtype).name] for array in arrays] + provided


def refused() -> list[str]:
    given: list[dict[str, Any]] = [
        {},
        {"decode": False, "resize": 8},
        {"decode": False, "world": (2, 2)},
    ]
    said = []
    for each in given:
        try:
            mxnet.dataset(OUT, SPLIT, **each)
        except UsageError as error:
            said.append(error.what)
    return said


if __name__ == "__main__":
    found: dict[str, Any] = {
        str(decode): {
            "epochs": epochs(decode),
            "hosts": hosts(decode),
            "resumed": resumed(decode),
            "ended": ended(decode),
        }
        for decode in (True, False)
    }
    found["following"] = following(True)
    found["other sizes"] = other_sizes()
    found["by workers"] = by_workers()
    found |= {"stored": stored(), "shapes": shapes(), "refused": refused()}
    json.dump(found, sys.stdout)
