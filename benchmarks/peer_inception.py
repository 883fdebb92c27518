"""The recipe of Inception's scripts: ``peer_inception.py TREE OUT SHARDS WORKERS``.

As they do, it reads each file, decodes it with TensorFlow for its height and width, and writes a
`tf.train.Example` of 15 features; boxes are left empty. Runs in the peers' environment. Prints
``{"images": N, "seconds": S}``; imports and the listing of the tree are before the seconds.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

import tensorflow as tf


def main() -> None:
    """Write all images of the tree, shard by shard."""
    tree, out = Path(sys.argv[1]), Path(sys.argv[2])
    shards, workers = int(sys.argv[3]), int(sys.argv[4])
    wnids = sorted(folder.name for folder in tree.iterdir())
    images = [(path, wnids.index(path.parent.name) + 1) for path in sorted(tree.glob("*/*.JPEG"))]
    out.mkdir(parents=True)
    places = [shard * len(images) // shards for shard in range(shards + 1)]
    parts = [images[start:stop] for start, stop in pairwise(places)]
    files = [str(out / f"train-{shard:05}-of-{shards:05}") for shard in range(shards)]
    # Started anew, because TensorFlow does not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        list(pool.map(begin, range(workers)))
        start = time.perf_counter()
        written = sum(pool.map(write, files, parts))
        seconds = time.perf_counter() - start
    sys.stdout.write(json.dumps({"images": written, "seconds": seconds}) + "\n")


def begin(_: int) -> None:
    """Have a process ready: TensorFlow imported, one image decoded."""
    tf.io.decode_jpeg(tf.io.encode_jpeg(tf.zeros([8, 8, 3], tf.uint8)))
    time.sleep(1)  # so that each process takes one


def write(file: str, images: Sequence[tuple[Path, int]]) -> int:
    """Write one shard; return how many images that were."""
    with tf.io.TFRecordWriter(file) as writer:
        for path, label in images:
            encoded = path.read_bytes()
            height, width, channels = tf.io.decode_jpeg(encoded, channels=3).shape
            writer.write(example(path, label, encoded, (height, width, channels)))
    return len(images)


def example(path: Path, label: int, encoded: bytes, shape: tuple[int, int, int]) -> bytes:
    """Return the serialised Example of an image."""
    height, width, channels = shape
    features = {
        "image/height": integers(height),
        "image/width": integers(width),
        "image/colorspace": strings(b"RGB"),
        "image/channels": integers(channels),
        "image/class/label": integers(label),
        "image/class/synset": strings(path.parent.name.encode()),
        "image/class/text": strings(b""),
        "image/object/bbox/xmin": tf.train.Feature(float_list=tf.train.FloatList()),
        "image/object/bbox/xmax": tf.train.Feature(float_list=tf.train.FloatList()),
        "image/object/bbox/ymin": tf.train.Feature(float_list=tf.train.FloatList()),
        "image/object/bbox/ymax": tf.train.Feature(float_list=tf.train.FloatList()),
        "image/object/bbox/label": integers(),
        "image/format": strings(b"JPEG"),
        "image/filename": strings(path.name.encode()),
        "image/encoded": strings(encoded),
    }
    found: bytes = tf.train.Example(
        features=tf.train.Features(feature=features)
    ).SerializeToString()
    return found


def integers(*values: int) -> object:
    """Return a feature of integers."""
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def strings(*values: bytes) -> object:
    """Return a feature of strings."""
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


if __name__ == "__main__":
    main()
