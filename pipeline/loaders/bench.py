"""Images a second of each loader that is installed, beside its framework's usual way.

::

    python -m pipeline.loaders.bench OUT [--split train] [--seconds 10] [--workers 2]

Both read the same shards by turns, warm, without shuffling; torchvision's ImageFolder reads the
class folders of ``OUT/train`` where there are some. A ratio above 1 says that the loader is faster,
or takes less processor time. What is not installed is named.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Final

from pipeline.environment.packages import why_not_loaded
from pipeline.errors import ShardmillError
from pipeline.loaders.measuring import Images, Pair, Speed, Task, speed
from pipeline.loaders.records import Records, open_records

_ROUNDS: Final = 3  # of ours and theirs by turns
_BATCH: Final = 64
_HEADING: Final = "".join(
    f"{title:>{width}}"
    for unit in ("images/s", "us/image")
    for title, width in ((unit, 10), ("usual way", 10), ("ratio", 8))
)


def main(words: Sequence[str] | None = None) -> int:
    """Print a line for each pair, and what is not installed; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.loaders.bench")
    parser.add_argument("out", type=Path)
    parser.add_argument("--split", default="train")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--workers", type=int, default=2, help="processes, where there are such")
    given = parser.parse_args(words)
    try:
        _report(given.out, given.split, given.workers, given.seconds)
    except ShardmillError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    return 0


def _report(out: Path, split: str, workers: int, seconds: float) -> None:
    records = len(open_records(out, split))
    _say(f"{records} images, {workers} workers, medians of {_ROUNDS} rounds of {seconds:g} s")
    _say(f"{'':34}{_HEADING}")
    for pair in PAIRS:
        missing = [name for name in pair.modules if why_not_loaded(name)]
        if missing:
            _say(f"{pair.title}: not measured, {' and '.join(missing)} cannot be imported")
            continue
        missing = [name for name in pair.needs if why_not_loaded(name)]
        if missing:
            _say(f"{pair.usual}: not measured, {' and '.join(missing)} cannot be imported")
            pair = replace(pair, theirs=None)  # noqa: PLW2901 - what is left of it
        for decode in (False, True):
            task = Task(out, split, workers, decode)
            title = f"{pair.title}, {'decoded' if decode else 'encoded'}"
            try:
                _say(_line(title, pair, task, seconds))
            except _NotThereError as error:
                _say(f"{pair.usual}: not measured, {error}")
                _say(_line(title, replace(pair, theirs=None), task, seconds))
            except ShardmillError as error:
                _say(f"{title}: not measured, {error.what}")


def _line(title: str, pair: Pair, task: Task, seconds: float) -> str:
    ours, theirs = list[Speed](), list[Speed]()
    for _ in range(_ROUNDS):
        ours.append(speed(pair.ours, task, seconds))
        if pair.theirs is not None:
            theirs.append(speed(pair.theirs, task, seconds))
    by_clock = [each.images_a_second for each in ours], [each.images_a_second for each in theirs]
    of_cores = [each.microseconds for each in ours], [each.microseconds for each in theirs]
    if not theirs:
        return f"{title:34}{median(by_clock[0]):>10,.0f}{'':18}{median(of_cores[0]):>10,.0f}"
    faster = median(one / other for one, other in zip(*by_clock, strict=True))
    cheaper = median(other / one for one, other in zip(*of_cores, strict=True))
    return "".join(
        (
            f"{title:34}{median(by_clock[0]):>10,.0f}{median(by_clock[1]):>10,.0f}{faster:>8.2f}",
            f"{median(of_cores[0]):>10,.0f}{median(of_cores[1]):>10,.0f}{cheaper:>8.2f}",
            f"  of {pair.usual}",
        )
    )


class _NotThereError(Exception):
    """What is compared with has nothing to read here."""


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _in_torch(data: Any, task: Task) -> Images:
    loading = importlib.import_module("torch.utils.data")
    return loading.DataLoader(  # type: ignore[no-any-return]
        data, batch_size=_BATCH, num_workers=task.workers, collate_fn=len
    )


def _torch(task: Task, shard_format: str, *, by_number: bool = False) -> Images:
    loader = importlib.import_module("pipeline.loaders.torch")
    opened = loader.indexed if by_number else loader.dataset
    data = opened(task.out, task.split, decode=task.decode, shard_format=shard_format)
    return _in_torch(data, task)


def _imagefolder(task: Task) -> Images:
    datasets = importlib.import_module("torchvision.datasets")
    folder = task.out / ("val" if task.split == "validation" else task.split)
    try:
        tree = datasets.ImageFolder(str(folder), loader=_rgb if task.decode else _content)
    except (FileNotFoundError, NotADirectoryError):
        raise _NotThereError(f"there are no class folders at {folder}") from None
    return _in_torch(tree, task)


def _content(path: str) -> bytes:
    return Path(path).read_bytes()


def _rgb(path: str) -> Any:
    image = importlib.import_module("PIL.Image")
    numpy = importlib.import_module("numpy")
    with Path(path).open("rb") as file:
        return numpy.array(image.open(file).convert("RGB"))


def _shards(task: Task, shard_format: str) -> list[str]:
    records: Records = open_records(task.out, task.split, shard_format=shard_format)
    return [str(records.shards.path(name)) for name in records.shards.names]


def _webdataset(task: Task) -> Images:
    library = importlib.import_module("webdataset")
    data = library.WebDataset(_shards(task, "webdataset"), shardshuffle=False)
    if task.decode:
        data = data.decode("rgb8")
    return _in_torch(data.to_tuple("jpg;png", "cls", "json"), task)


def _tfdata(task: Task) -> Images:
    loader = importlib.import_module("pipeline.loaders.tfdata")
    return _counted(loader.dataset(task.out, task.split, decode=task.decode))


def _tfdata_shuffled(task: Task) -> Images:
    loader = importlib.import_module("pipeline.loaders.tfdata")
    return _counted(loader.dataset(task.out, task.split, decode=task.decode, shuffle=True, seed=0))


def _plain_tfrecord(task: Task) -> Images:
    """Read as TensorFlow's guides do: files, a parser, a decoder."""
    tf = importlib.import_module("tensorflow")
    loader = importlib.import_module("pipeline.loaders.tfdata")
    spec = loader.feature_spec()

    def parse(serialised: Any) -> Any:
        features = tf.io.parse_single_example(serialised, spec)
        if task.decode:
            features["image"] = tf.io.decode_jpeg(features.pop("image/encoded"), channels=3)
        return features

    data = tf.data.TFRecordDataset(_shards(task, "tfrecord"))
    return _counted(data.map(parse, num_parallel_calls=tf.data.AUTOTUNE))


def _counted(data: Any) -> Iterator[int]:
    for _ in data.prefetch(_BATCH):
        yield 1


def _grain(task: Task) -> Images:
    grain = importlib.import_module("grain")
    loader = importlib.import_module("pipeline.loaders.grain")
    data = loader.dataset(task.out, task.split, decode=task.decode)
    data = data.batch(_BATCH, batch_fn=len).to_iter_dataset()
    if not task.workers:
        return data  # type: ignore[no-any-return]
    flags = importlib.import_module("absl.flags").FLAGS
    if not flags.is_parsed():
        flags(sys.argv[:1])
    options = grain.MultiprocessingOptions(num_workers=task.workers)
    return data.mp_prefetch(options)  # type: ignore[no-any-return]


def _dali(task: Task) -> Images:
    loader = importlib.import_module("pipeline.loaders.dali")
    data = loader.dataset(task.out, task.split, batch_size=_BATCH, decode=task.decode)
    return (len(batch["label"]) for batch in data)


def _dali_reader(task: Task) -> Images:
    """Read by DALI's own reader of TFRecord, through the indexes beside the shards."""
    dali = importlib.import_module("nvidia.dali")
    features = importlib.import_module("nvidia.dali.tfrecord")
    fn, shards = importlib.import_module("nvidia.dali.fn"), _shards(task, "tfrecord")
    records = open_records(task.out, task.split, shard_format="tfrecord")
    pipeline = dali.Pipeline(_BATCH, 2, None)
    with pipeline:
        found = fn.readers.tfrecord(
            path=shards,
            index_path=[str(records.index(number)) for number in range(len(shards))],
            features={
                "image/encoded": features.FixedLenFeature((), features.string, ""),
                "image/class/label": features.FixedLenFeature([1], features.int64, -1),
            },
        )
        image = found["image/encoded"]
        image = fn.decoders.image(image, device="cpu") if task.decode else image
        pipeline.set_outputs(image, found["image/class/label"])
    pipeline.build()
    while True:
        yield len(pipeline.run()[0])


def _numbered(task: Task) -> Iterator[int]:
    for _ in open_records(task.out, task.split, decode=task.decode):
        yield 1


PAIRS: Final = (
    Pair("numbered, one process", (), _numbered, None, ""),
    Pair(
        "torch, TFRecord",
        ("torch",),
        lambda task: _torch(task, "tfrecord"),
        _imagefolder,
        "torchvision's ImageFolder",
        ("torchvision",),
    ),
    Pair(
        "torch, TFRecord by number",
        ("torch",),
        lambda task: _torch(task, "tfrecord", by_number=True),
        None,
        "",
    ),
    Pair(
        "torch, WebDataset",
        ("torch",),
        lambda task: _torch(task, "webdataset"),
        _webdataset,
        "webdataset's reader",
        ("webdataset",),
    ),
    Pair("tfdata", ("tensorflow",), _tfdata, _plain_tfrecord, "TFRecordDataset"),
    Pair("tfdata, shuffled", ("tensorflow",), _tfdata_shuffled, _plain_tfrecord, "TFRecordDataset"),
    Pair("grain", ("grain",), _grain, None, ""),
    Pair("dali", ("nvidia.dali",), _dali, _dali_reader, "DALI's reader"),
)


if __name__ == "__main__":
    raise SystemExit(main())
