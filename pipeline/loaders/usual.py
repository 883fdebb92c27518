"""The usual ways to read the same shards, which loaders are measured beside.

Each reads what its loader gives, as far as it can: labels and boxes are asked for where the reader
of the framework has them.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, Final

from pipeline.loaders.measuring import Images, Task
from pipeline.loaders.records import Records, open_records
from pipeline.loaders.shards import open_shards

BATCH: Final = 64
CROP: Final = (3, 224, 224)
"""What MXNet, whose batches have one size, crops images to."""
_BOX: Final = "image/object/bbox/"
_SIDES: Final = ("ymin", "xmin", "ymax", "xmax")
_AHEAD: Final = 1024  # records that DALI's reader shuffles, by default of its own


class NotThereError(Exception):
    """What is compared with has nothing to read here."""


def shard_paths(task: Task, shard_format: str) -> list[str]:
    """Return where the shards of a format are."""
    shards = open_shards(task.out, task.split, shard_format)
    return [str(shards.path(name)) for name in shards.names]


def in_torch(data: Any, task: Task) -> Images:
    """Give how many images came of a data set of torch, by its loader."""
    return import_module("torch.utils.data").DataLoader(  # type: ignore[no-any-return]
        data, batch_size=BATCH, num_workers=task.workers, collate_fn=len
    )


def in_grain(data: Any, task: Task) -> Images:
    """Give how many images came of a `grain.MapDataset`, by worker processes where some are."""
    grain = import_module("grain")
    batches = data.batch(BATCH, batch_fn=len).to_iter_dataset()
    if not task.workers:
        return batches  # type: ignore[no-any-return]
    flags = import_module("absl.flags").FLAGS
    if not flags.is_parsed():
        flags(sys.argv[:1])
    options = grain.MultiprocessingOptions(num_workers=task.workers)
    return batches.mp_prefetch(options)  # type: ignore[no-any-return]


def image_folder(task: Task) -> Images:
    """Read class folders by torchvision: files, and no shards."""
    datasets = import_module("torchvision.datasets")
    folder = task.out / ("val" if task.split == "validation" else task.split)
    try:
        tree = datasets.ImageFolder(str(folder), loader=_rgb_file if task.decode else _content)
    except (FileNotFoundError, NotADirectoryError):
        raise NotThereError(f"there are no class folders at {folder}") from None
    return in_torch(tree, task)


def tfrecord_package(task: Task) -> Images:
    """Read by the package tfrecord: each worker reads its part of each shard, by the indexes."""
    datasets = import_module("tfrecord.torch.dataset")
    records = open_records(task.out, task.split, shard_format="tfrecord")
    indexes = _indexes(records) if task.workers else [None] * len(records.shards.listed)
    given = {"transform": _with_pixels} if task.decode else {}
    shards = [
        datasets.TFRecordDataset(path, index, **given)
        for path, index in zip(shard_paths(task, "tfrecord"), indexes, strict=True)
    ]
    return in_torch(import_module("torch.utils.data").ChainDataset(shards), task)


def webdataset(task: Task) -> Images:
    """Read by the library webdataset."""
    library = import_module("webdataset")
    data = library.WebDataset(shard_paths(task, "webdataset"), shardshuffle=False)
    if task.decode:
        data = data.decode("rgb8")
    return in_torch(data.to_tuple("jpg;png", "cls", "json"), task)


def tfrecord_dataset(task: Task) -> Images:
    """Read as TensorFlow's guides do: files, a parser, a decoder."""
    tf = import_module("tensorflow")
    spec = import_module("pipeline.loaders.tfdata").feature_spec()

    def parse(serialised: Any) -> Any:
        features = tf.io.parse_single_example(serialised, spec)
        if task.decode:
            features["image"] = tf.io.decode_jpeg(features.pop("image/encoded"), channels=3)
        return features

    data = tf.data.TFRecordDataset(shard_paths(task, "tfrecord"))
    return counted(data.map(parse, num_parallel_calls=tf.data.AUTOTUNE))


def counted(data: Any) -> Iterator[int]:
    """Give 1 for each element of a `tf.data.Dataset`."""
    for _ in data.prefetch(BATCH):
        yield 1


def dali_reader(task: Task, *, shuffle: bool = False) -> Images:
    """Read by DALI's own reader of TFRecord, through the indexes beside the shards."""
    dali = import_module("nvidia.dali")
    features, fn = import_module("nvidia.dali.tfrecord"), import_module("nvidia.dali.fn")
    records = open_records(task.out, task.split, shard_format="tfrecord")
    text = features.FixedLenFeature((), features.string, "")
    pipeline = dali.Pipeline(BATCH, 2, None)
    with pipeline:
        found = fn.readers.tfrecord(
            path=shard_paths(task, "tfrecord"),
            index_path=_indexes(records),
            random_shuffle=shuffle,
            initial_fill=_AHEAD,
            features={
                "image/encoded": text,
                "image/filename": text,
                "image/class/label": features.FixedLenFeature([1], features.int64, -1),
                _BOX + "label": features.VarLenFeature(features.int64, 0),
                **{_BOX + side: features.VarLenFeature(features.float32, 0.0) for side in _SIDES},
            },
        )
        image = found["image/encoded"]
        image = fn.decoders.image(image, device="cpu") if task.decode else image
        boxes = fn.stack(*(found[_BOX + side] for side in _SIDES), axis=1)
        others = (found[key] for key in ("image/class/label", "image/filename", _BOX + "label"))
        pipeline.set_outputs(image, boxes, *others)
    pipeline.build()
    while True:  # it begins again by itself
        yield len(pipeline.run()[0])


def dali_reader_shuffled(task: Task) -> Images:
    """Read likewise, by a buffer of 1,024 records that it takes one of at random."""
    return dali_reader(task, shuffle=True)


def image_record_iter(task: Task) -> Images:
    """Read by MXNet's iterator, which decodes and crops."""
    mx = import_module("mxnet")
    files = ";".join(shard_paths(task, "recordio"))
    batches = mx.io.ImageRecordIter(
        path_imgrec=files, batch_size=BATCH, data_shape=CROP, verbose=False
    )
    return (BATCH - batch.pad for batch in batches)


def record_files(task: Task) -> Images:
    """Read by MXNet's data sets of records, one a shard."""
    mx = import_module("mxnet")
    files = [mx.gluon.data.RecordFileDataset(path) for path in shard_paths(task, "recordio")]
    records = chain.from_iterable((file[at] for at in range(len(file))) for file in files)
    return (len(mx.recordio.unpack(record)[1:]) for record in records)


def mxnet_usual(task: Task) -> Images:
    """Read by the one that decodes, or the one that does not."""
    return image_record_iter(task) if task.decode else record_files(task)


def _indexes(records: Records) -> list[str]:
    return [str(records.index(number)) for number in range(len(records.shards.listed))]


def _content(path: str) -> bytes:
    return Path(path).read_bytes()


def _rgb_file(path: str) -> Any:
    with Path(path).open("rb") as file:
        return _rgb(file)


def _with_pixels(features: dict[str, Any]) -> dict[str, Any]:
    features["image"] = _rgb(io.BytesIO(features.pop("image/encoded")))
    return features


def _rgb(file: Any) -> Any:
    image = import_module("PIL.Image").open(file).convert("RGB")
    return import_module("numpy").array(image)
