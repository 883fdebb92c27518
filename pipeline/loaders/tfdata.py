"""A finished TFRecord output as a tf.data.Dataset.

TensorFlow is imported when a function is called, not with this module: ``pip install
'.[tensorflow]'`` in the checkout of shardmill brings it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.loaders.division import ALONE, Consumer, check_world
from pipeline.loaders.frameworks import missing
from pipeline.loaders.order import seed_of
from pipeline.loaders.records import Records, open_records
from pipeline.loaders.shards import WHOLE, Shards, open_shards
from pipeline.storage import RemoteOptions

if TYPE_CHECKING:
    import tensorflow as tf

_FORMAT = "tfrecord"
_READ_BUFFER = 8 << 20  # bytes a file
_FILES_AT_ONCE = 16  # fixed: else tf.data takes the number of cores, and the order follows it
_AT_ONCE = 8  # records that a call of Python reads for tf.data; each call costs as much as a read
_LABELS = "image/labels"
_BOX = "image/object/bbox/"
_SIDES = ("ymin", "xmin", "ymax", "xmax")


def dataset(
    out: str | Path,
    split: str,
    *,
    decode: bool = True,
    shuffle: bool = False,
    shuffle_files: bool = False,
    seed: int | None = None,
    world: tuple[int, int] = ALONE,
    epoch: int = 0,
    start: int = 0,
    num_parallel: int | None = None,
    cache: str | Path | None = None,
    part: tuple[int, int] = WHOLE,
    remote: RemoteOptions | None = None,
) -> tf.data.Dataset:
    """Open one split of a finished output.

    Every element is a dict of tensors::

        image     uint8 [height, width, 3], RGB; with decode=False
        encoded   string [], the JPEG, in its place
        label     int64 [], class index plus label offset; -1 where unlabelled
        synset    string []      text      string [], UTF-8      filename  string [], UTF-8
        height    int64 []       width     int64 []
        labels    float32 [m], the numbers that a list says where they are no class; else [0]
        bbox      float32 [n, 4], rows of (ymin, xmin, ymax, xmax), fractions of the image
        bbox_label  int64 [n], of each object: its own label, or that of the image

    Args:
        out: the output folder of the shardmill command, or its address, ``s3://BUCKET/PREFIX``.
        split: ``train`` or ``validation``.
        decode: whether to decode the images.
        shuffle: give the examples in the random order of `epoch`: shards at random, and the records
            of 16 of them mixed. It is the order of `pipeline.loaders.torch` without workers.
        shuffle_files: read the files in a random order, another in each epoch, and 16 at a time
            by turns, instead of one after the other by name. Records of one file keep their
            order: ``.shuffle(...)`` the dataset as well.
        seed: makes the order under `shuffle` or `shuffle_files` reproducible.
        world: rank and size, of processes that share an epoch. Each record is read by one, and
            ranks differ by one record at most.
        epoch: which one `shuffle` shuffles; a dataset that is repeated repeats it.
        start: how many examples of the epoch are passed over, unread: to go on with it, the number
            of those that were taken.
        num_parallel: images decoded at once; default: as many as tf.data finds best. It has
            no influence on the order, except under `shuffle_files` without `seed`.
        cache: folder of this machine. Each shard is fetched into it when it is read first, the
            next one while one is read, and compared with its hash; see
            `pipeline.loaders.file_cache`. An output in a store needs one; without it, shards of
            this machine are read where they are. A dataset with a cache cannot be saved or sent
            to another process.
        part: i and n: only every n-th file by name, from the i-th on, counted from 0; for n hosts
            that share an epoch.
        remote: how a store is reached; default: what AWS's variables and files say.

    Returns:
        A dataset of known cardinality, neither batched nor repeated nor prefetched. It keeps to
        the output that was current when it was opened.

    Raises:
        OutputDamaged: the manifest or a shard is missing, or a shard has another size.
        UsageError: TensorFlow is not installed; there is no such split, but others; the part or
            the world cannot be; an output in a store and no cache; options of both ways to
            shuffle or to divide.
        NoSpace: the cache has no room for the shards that are to be read.
        ShardmillError: the store refuses or does not answer. What goes wrong while the dataset is
            read is TensorFlow's ``UnknownError`` with the text of one.
    """
    library = _tensorflow()
    world = check_world(world)
    parallel = library.data.AUTOTUNE if num_parallel is None else num_parallel
    if shuffle or start or world != ALONE:
        _check_alone(shuffle_files=shuffle_files, part=part)
        records = open_records(out, split, shard_format=_FORMAT, cache=cache, remote=remote)
        order = records.order(seed_of(seed, shuffle=shuffle)).epoch(epoch, Consumer(*world))
        return _numbered(library, records, order[start:], parallel).map(
            _parser(library, decode=decode), num_parallel_calls=parallel, deterministic=True
        )
    shards = open_shards(out, split, _FORMAT, cache=cache, part=part, options=remote)
    deterministic = not shuffle_files or seed is not None

    def read(name: tf.Tensor) -> tf.data.Dataset:
        return library.data.TFRecordDataset(name, buffer_size=_READ_BUFFER)

    files = library.data.Dataset.from_tensor_slices(_names(library, shards))
    if shuffle_files:
        files = files.shuffle(max(1, len(shards.listed)), seed=seed)
    if cache is not None:
        files = files.map(_fetcher(library, shards)).prefetch(1)
    if shuffle_files:
        records = files.interleave(
            read,
            cycle_length=_FILES_AT_ONCE,
            num_parallel_calls=parallel,
            deterministic=deterministic,
        )
    else:
        records = files.flat_map(read)
    return records.apply(library.data.experimental.assert_cardinality(shards.records)).map(
        _parser(library, decode=decode), num_parallel_calls=parallel, deterministic=deterministic
    )


def _check_alone(*, shuffle_files: bool, part: tuple[int, int]) -> None:
    if shuffle_files or part != WHOLE:
        raise UsageError(
            "shuffle_files and part divide and shuffle by files, the other options by records",
            expected="shuffle, world and start, or shuffle_files and part",
            found="some of both",
            remedy="leave shuffle_files and part out",
        )


def _numbered(
    library: ModuleType, records: Records, numbers: NDArray[np.int64], parallel: int
) -> tf.data.Dataset:
    """Return the serialised Examples of some records, in this order."""

    def stored(some: NDArray[np.int64]) -> NDArray[np.object_]:
        return np.array([records.stored(number) for number in some.tolist()], np.object_)

    def read(some: tf.Tensor) -> tf.Tensor:
        examples = library.numpy_function(stored, [some], library.string)
        examples.set_shape((None,))
        return examples

    order = library.data.Dataset.from_tensor_slices(numbers).batch(_AT_ONCE)
    read_ones = order.map(read, num_parallel_calls=parallel, deterministic=True).unbatch()
    return read_ones.apply(library.data.experimental.assert_cardinality(len(numbers)))


def feature_spec() -> dict[str, Any]:
    """Return what ``tf.io.parse_single_example`` needs: the reading of the Inception scripts.

    The keys and kinds are those of parse_example_proto in tensorflow/models
    (research/inception/inception/image_processing.py), with the sizes in pixels besides.
    Labels are of shape [1] and -1 where absent; boxes are sparse, of shape [n].

    Raises:
        UsageError: TensorFlow is not installed.
    """
    tf = _tensorflow()
    string = tf.io.FixedLenFeature([], tf.string)
    integer = tf.io.FixedLenFeature([], tf.int64)
    return {
        "image/encoded": string,
        "image/class/label": tf.io.FixedLenFeature([1], tf.int64, default_value=-1),
        "image/class/synset": string,
        "image/class/text": string,
        "image/filename": string,
        "image/height": integer,
        "image/width": integer,
        **{_BOX + side: tf.io.VarLenFeature(tf.float32) for side in _SIDES},
    }


def _parser(library: ModuleType, *, decode: bool) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    def listed(kind: tf.DType) -> Any:
        return library.io.FixedLenSequenceFeature([], kind, allow_missing=True)

    number = library.float32
    spec = {
        **feature_spec(),
        _LABELS: listed(number),
        _BOX + "label": listed(library.int64),
        **{_BOX + side: listed(number) for side in _SIDES},
    }

    def parse(example: tf.Tensor) -> dict[str, tf.Tensor]:
        features = library.io.parse_single_example(example, spec)
        elements = {
            "encoded": features["image/encoded"],
            "label": features["image/class/label"][0],
            "synset": features["image/class/synset"],
            "text": features["image/class/text"],
            "filename": features["image/filename"],
            "height": features["image/height"],
            "width": features["image/width"],
            "labels": features[_LABELS],
            "bbox": library.stack([features[_BOX + side] for side in _SIDES], axis=-1),
            "bbox_label": features[_BOX + "label"],
        }
        if decode:
            elements["image"] = library.io.decode_jpeg(elements.pop("encoded"), channels=3)
        return elements

    return parse


def _names(library: ModuleType, shards: Shards) -> tf.Tensor:
    """Return the paths of shards that are read where they are, or the names of those to fetch."""
    if shards.cache is None:
        names = [str(shards.path(name)) for name in shards.names]
    else:
        names = shards.names
    return library.constant(names, dtype=library.string)


def _fetcher(library: ModuleType, shards: Shards) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return what fetches a shard by its name and returns its path."""

    def fetch(name: bytes) -> bytes:
        return os.fsencode(shards.path(name.decode()))

    def fetched(name: tf.Tensor) -> tf.Tensor:
        path = library.numpy_function(fetch, [name], library.string)
        path.set_shape(())
        return path

    return fetched


def _tensorflow() -> ModuleType:
    try:
        return importlib.import_module("tensorflow")
    except ModuleNotFoundError as error:
        raise missing("TensorFlow", "tensorflow", error) from error
