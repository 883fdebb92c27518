"""Reads the shards of one format with the library that it is of; prints JSON.

Runs in the environment of that library, without shardmill: ``read_pairs.py FORMAT OUT ...``. The
result is for each output folder a list of [SHA-256 of the image, label, objects]: an object is
[label, xmin, ymin, xmax, ymax], in fractions. RecordIO has objects instead of a label, or none.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from glob import glob
from pathlib import Path
from typing import Any

Found = tuple[bytes, Any, list[Any]]
"""The bytes of an image, its label, its objects."""
SIDES = ("xmin", "ymin", "xmax", "ymax")


def of_example(content: bytes) -> Found:
    """Return what TensorFlow finds in an Example."""
    example = importlib.import_module("tensorflow").train.Example.FromString(content)
    feature = example.features.feature
    (image,) = feature["image/encoded"].bytes_list.value
    (label,) = feature["image/class/label"].int64_list.value
    sides = [feature[f"image/object/bbox/{side}"].float_list.value for side in SIDES]
    classes = feature["image/object/bbox/label"].int64_list.value
    return image, label, [list(each) for each in zip(classes, *sides, strict=True)]


def tfrecord(out: str) -> Iterator[Found]:
    """Read by `tf.data`."""
    tf = importlib.import_module("tensorflow")
    for record in tf.data.TFRecordDataset(glob(f"{out}/tfrecord/*/current/*-of-*")):
        yield of_example(record.numpy())


def arrayrecord(out: str) -> Iterator[Found]:
    """Read by the source that Grain has."""
    grain = importlib.import_module("grain")
    source = grain.sources.ArrayRecordDataSource(
        sorted(glob(f"{out}/arrayrecord/*/current/*.array_record"))
    )
    for number in range(len(source)):
        yield of_example(source[number])


def recordio(out: str) -> Iterator[Found]:
    """Read by MXNet: labels of detection have a header that says its length and an object's."""
    mxnet = importlib.import_module("mxnet").recordio
    for shard in sorted(glob(f"{out}/recordio/*/current/*.rec")):
        for content in iter(mxnet.MXRecordIO(shard, "r").read, None):
            header, image = mxnet.unpack(content)
            if header.flag == 0:
                yield image, header.label, []
                continue
            numbers = header.label.tolist()
            first, width = int(numbers[0]), int(numbers[1])
            starts = range(first, len(numbers), width)
            yield image, None, [numbers[start : start + width] for start in starts]


def webdataset(out: str) -> Iterator[Found]:
    """Read by webdataset, which decodes class and facts."""
    library = importlib.import_module("webdataset")
    shards = sorted(glob(f"{out}/webdataset/*/current/*.tar"))
    for sample in library.WebDataset(shards, shardshuffle=False).decode():
        facts, label = sample["json"], sample["cls"]
        classes = [each["class_index"] for each in facts.get("objects", ())]
        classes = classes or [label] * len(facts["boxes"])
        objects = [[own, *box] for own, box in zip(classes, facts["boxes"], strict=True)]
        yield sample["jpg"], label, objects


def hf_parquet(out: str) -> Iterator[Found]:
    """Load by the card."""
    datasets = importlib.import_module("datasets")
    with tempfile.TemporaryDirectory() as cache:
        for split in datasets.load_dataset(f"{out}/hf-parquet", cache_dir=cache).values():
            for row in split.cast_column("image", datasets.Image(decode=False)):
                wide, high = row["width"], row["height"]
                objects = row.get("objects", {"category": [], "bbox": []})
                corners = [
                    [own, x / wide, y / high, (x + width) / wide, (y + height) / high]
                    for own, (x, y, width, height) in zip(
                        objects["category"], objects["bbox"], strict=True
                    )
                ]
                yield row["image"]["bytes"], row["label"], corners


def mds(out: str) -> Iterator[Found]:
    """Read by streaming, which gives images that Pillow has opened and not decoded yet."""
    importlib.import_module("read_mds")  # what it lets stand in
    streaming = importlib.import_module("streaming")
    util = importlib.import_module("streaming.base.util")
    for folder in sorted(glob(f"{out}/mds/*/current")):
        util.clean_stale_shared_memory()
        data = streaming.StreamingDataset(local=str(Path(folder).resolve()), batch_size=1)
        for number in range(len(data)):
            sample = data[number]
            classes, boxes = sample.get("box_labels", ()), sample.get("boxes", ())
            objects = [[int(own), *box.tolist()] for own, box in zip(classes, boxes, strict=True)]
            yield sample["image"].fp.getvalue(), int(sample["label"]), objects


READ: dict[str, Callable[[str], Iterator[Found]]] = {
    "tfrecord": tfrecord,
    "arrayrecord": arrayrecord,
    "recordio": recordio,
    "webdataset": webdataset,
    "hf-parquet": hf_parquet,
    "mds": mds,
}


def main() -> None:
    """Read all outputs in one format."""
    name, *outputs = sys.argv[1:]
    found = {
        out: [
            [hashlib.sha256(image).hexdigest(), label, sorted(objects)]
            for image, label, objects in READ[name](out)
        ]
        for out in outputs
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
