"""Reads RecordIO shards with MXNet, or writes one; prints JSON.

Runs in an environment of its own, without shardmill::

    mxnet_recordio.py records SHARD INDEX       [flag, labels, id, id2, SHA-256 of the image] of
                                                each record, by the index, as they follow too
    mxnet_recordio.py iterate SHARD INDEX WIDTH PARTS
                                                labels of each image that ImageRecordIter finds:
                                                without the index, with it, in so many parts
    mxnet_recordio.py imageiter SHARD INDEX WIDTH
                                                labels of each image that ImageIter finds
    mxnet_recordio.py listed SHARD LIST WIDTH   the same of ImageRecordIter, labels by the list
    mxnet_recordio.py detect SHARD INDEX        labels of each image that ImageDetRecordIter finds,
                                                and the objects that ImageDetIter finds
    mxnet_recordio.py gluon SHARD               [shape, labels] of each of ImageRecordDataset
    mxnet_recordio.py write SHARD INDEX < JSON  writes [[id, label or labels, image in hex], ...]
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from typing import Any

import mxnet as mx
import numpy as np

SHAPE = (3, 16, 16)


def records(shard: str, index: str) -> list[Any]:
    """Read by position in the index; what follows each other must be the same."""
    indexed = mx.recordio.MXIndexedRecordIO(index, shard, "r")
    found = [row(indexed.read_idx(key)) for key in indexed.keys]
    assert [each[2] for each in found] == indexed.keys
    plain = mx.recordio.MXRecordIO(shard, "r")
    follow = [row(content) for content in iter(plain.read, None)]
    assert found == follow
    return found


def row(content: bytes) -> list[Any]:
    header, image = mx.recordio.unpack(content)
    digest = hashlib.sha256(image).hexdigest()
    labels = np.atleast_1d(header.label).tolist()
    return [header.flag, labels, header.id, header.id2, digest]


def labels_of(shard: str, width: int, **options: Any) -> list[list[float]]:
    """Return the labels of each image, in the order of the iterator."""
    batches = mx.io.ImageRecordIter(
        path_imgrec=shard,
        data_shape=SHAPE,
        batch_size=1,
        resize=max(SHAPE),
        label_width=width,
        preprocess_threads=1,
        verbose=False,
        **options,
    )
    return [batch.label[0].asnumpy().ravel().tolist() for batch in batches]


def iterate(shard: str, index: str, width: str, parts: str) -> list[Any]:
    plain = labels_of(shard, int(width))
    indexed = labels_of(shard, int(width), path_imgidx=index)
    divided = [
        labels
        for part in range(int(parts))
        for labels in labels_of(shard, int(width), num_parts=int(parts), part_index=part)
    ]
    return [plain, indexed, divided]


def imageiter(shard: str, index: str, width: str) -> list[list[float]]:
    batches = mx.image.ImageIter(
        batch_size=1,
        data_shape=SHAPE,
        resize=max(SHAPE),
        label_width=int(width),
        path_imgrec=shard,
        path_imgidx=index,
    )
    return [batch.label[0].asnumpy().ravel().tolist() for batch in batches]


def listed(shard: str, listing: str, width: str) -> list[list[float]]:
    return labels_of(shard, int(width), path_imglist=listing)


def detect(shard: str, index: str) -> list[Any]:
    batches = mx.io.ImageDetRecordIter(
        path_imgrec=shard,
        data_shape=SHAPE,
        batch_size=1,
        resize_mode="force",
        preprocess_threads=1,
        verbose=False,
    )
    rows = []
    for batch in batches:
        # Channels, height, width and how many labels there are; then the labels, padded.
        content = batch.label[0].asnumpy()[0].tolist()
        rows.append(content[4 : 4 + int(content[3])])
    objects = []
    for batch in mx.image.ImageDetIter(
        batch_size=1, data_shape=SHAPE, path_imgrec=shard, path_imgidx=index
    ):
        found = batch.label[0].asnumpy()[0]
        objects.append(found[found[:, 0] >= 0].tolist())
    return [rows, objects]


def gluon(shard: str) -> list[Any]:
    return [
        [list(image.shape), np.atleast_1d(label).tolist()]
        for image, label in mx.gluon.data.vision.ImageRecordDataset(shard)
    ]


def write(shard: str, index: str) -> None:
    writer = mx.recordio.MXIndexedRecordIO(index, shard, "w")
    for key, label, image in json.load(sys.stdin):
        header = mx.recordio.IRHeader(0, label, key, 0)
        writer.write_idx(key, mx.recordio.pack(header, bytes.fromhex(image)))
    writer.close()


MODES: dict[str, Callable[..., Any]] = {
    "records": records,
    "iterate": iterate,
    "imageiter": imageiter,
    "listed": listed,
    "detect": detect,
    "gluon": gluon,
    "write": write,
}
if __name__ == "__main__":
    json.dump(MODES[sys.argv[1]](*sys.argv[2:]), sys.stdout)
