"""A finished TFRecord output as a tf.data.Dataset.

TensorFlow is imported when a function is called, not with this module: ``pip install
'shardmill[tensorflow]'`` brings it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pipeline import manifest, paths, storage
from pipeline.documents.listed import ListedShards
from pipeline.errors import OutputDamaged, UsageError
from pipeline.job.choices import meant

if TYPE_CHECKING:
    import tensorflow as tf

_FORMAT = "tfrecord"
_READ_BUFFER = 8 << 20  # bytes a file
_FILES_AT_ONCE = 16  # fixed: else tf.data takes the number of cores, and the order follows it
_BOX = "image/object/bbox/"
_SIDES = ("ymin", "xmin", "ymax", "xmax")
_REMEDY = "run the shardmill command again: it makes what is missing and keeps the rest"


@dataclass(frozen=True)
class _Shard:
    path: Path
    size: int
    records: int


def dataset(
    out: str | Path,
    split: str,
    *,
    decode: bool = True,
    shuffle_files: bool = False,
    seed: int | None = None,
    num_parallel: int | None = None,
) -> tf.data.Dataset:
    """Open one split of a finished output.

    Every element is a dict of tensors::

        image     uint8 [height, width, 3], RGB; with decode=False
        encoded   string [], the JPEG, in its place
        label     int64 [], class index plus label offset; -1 where unlabelled
        synset    string []      text      string [], UTF-8      filename  string [], UTF-8
        height    int64 []       width     int64 []
        bbox      float32 [n, 4], rows of (ymin, xmin, ymax, xmax), fractions of the image

    Args:
        out: the output folder of the shardmill command.
        split: ``train`` or ``validation``.
        decode: whether to decode the images.
        shuffle_files: read the files in a random order, another in each epoch, and 16 at a time
            by turns, instead of one after the other by name. Records of one file keep their
            order: ``.shuffle(...)`` the dataset as well.
        seed: makes the order under `shuffle_files` reproducible.
        num_parallel: images decoded at once; default: as many as tf.data finds best. It has
            no influence on the order, except under `shuffle_files` without `seed`.

    Returns:
        A dataset of known cardinality, neither batched nor repeated nor prefetched. It keeps to
        the output that was current when it was opened.

    Raises:
        OutputDamaged: the manifest or a shard is missing, or a shard has another size.
        UsageError: TensorFlow is not installed; there is no such split, but others.
    """
    library = _tensorflow()
    shards = _shards(Path(out), split)
    parallel = library.data.AUTOTUNE if num_parallel is None else num_parallel
    deterministic = not shuffle_files or seed is not None

    def read(name: tf.Tensor) -> tf.data.Dataset:
        return library.data.TFRecordDataset(name, buffer_size=_READ_BUFFER)

    names = library.constant([str(shard.path) for shard in shards], dtype=library.string)
    files = library.data.Dataset.from_tensor_slices(names)
    if shuffle_files:
        records = files.shuffle(max(1, len(shards)), seed=seed).interleave(
            read,
            cycle_length=_FILES_AT_ONCE,
            num_parallel_calls=parallel,
            deterministic=deterministic,
        )
    else:
        records = files.flat_map(read)
    total = sum(shard.records for shard in shards)
    return records.apply(library.data.experimental.assert_cardinality(total)).map(
        _parser(library, decode=decode), num_parallel_calls=parallel, deterministic=deterministic
    )


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
    spec = feature_spec()

    def parse(example: tf.Tensor) -> dict[str, tf.Tensor]:
        found = library.io.parse_single_example(example, spec)
        sides = [library.sparse.to_dense(found[_BOX + side]) for side in _SIDES]
        elements = {
            "encoded": found["image/encoded"],
            "label": found["image/class/label"][0],
            "synset": found["image/class/synset"],
            "text": found["image/class/text"],
            "filename": found["image/filename"],
            "height": found["image/height"],
            "width": found["image/width"],
            "bbox": library.stack(sides, axis=-1),
        }
        if decode:
            elements["image"] = library.io.decode_jpeg(elements.pop("encoded"), channels=3)
        return elements

    return parse


def _shards(out: Path, split: str) -> list[_Shard]:
    """Return the shards that the current manifest names, by name, all of them checked."""
    link = paths.current(out, _FORMAT, split)
    # Resolved once: a command that finishes meanwhile moves the link, not this dataset.
    path = paths.manifest(link.resolve())
    if storage.stat(path) is None:
        there = storage.folders(paths.outputs(out, _FORMAT, split).parent)
        if there and split not in there:
            likely = meant(split, there)
            raise UsageError(
                f"there is no split {split!r} here",
                file=str(out),
                expected=", ".join(there),
                found=split,
                remedy=f"say {likely!r}" if likely else _REMEDY,
            )
        raise OutputDamaged(
            "the output has no manifest: it was not finished, or is not here",
            file=str(paths.manifest(link)),
            expected=f"a finished split {split!r}",
            found=f"splits begun: {', '.join(there) or 'none'}",
            remedy=_REMEDY,
        )
    shards = _named_shards(path)
    sizes = storage.sizes(path.parent)
    for shard in shards:
        found = sizes.get(shard.path.name)
        if found != shard.size:
            raise OutputDamaged(
                "a shard is not as the manifest says",
                file=str(shard.path),
                expected=f"{shard.size} bytes",
                found="no such file" if found is None else f"{found} bytes",
                remedy=_REMEDY,
            )
    return shards


def _named_shards(path: Path) -> list[_Shard]:
    shards = [
        _Shard(path.parent / shard.file, shard.bytes, shard.records)
        for shard in manifest.read(path, ListedShards).shards
    ]
    return sorted(shards, key=lambda shard: shard.path.name)


def _tensorflow() -> ModuleType:
    try:
        return importlib.import_module("tensorflow")
    except ModuleNotFoundError as error:
        raise UsageError(
            "this loader needs TensorFlow, which cannot be imported",
            found=str(error),
            remedy="pip install 'shardmill[tensorflow]'",
        ) from error
