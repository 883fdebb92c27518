"""Images a second of each loader that is installed, beside its framework's usual way.

::

    python -m pipeline.loaders.bench OUT [--split train] [--seconds 10] [--workers 2] [--only dali]

Both read the same shards by turns, warm. Beside them the loader of torch is compared with
torchvision's ImageFolder, which reads the class folders of ``OUT/train`` where there are some. A
ratio above 1 says that the loader is faster, or takes less processor time. What is not installed is
named.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import Final

from pipeline.environment.packages import why_not_loaded
from pipeline.errors import ShardmillError
from pipeline.loaders import usual
from pipeline.loaders.layouts import LAYOUTS
from pipeline.loaders.measuring import Images, Pair, Speed, Task, speed
from pipeline.loaders.records import open_records
from pipeline.loaders.shards import open_shards
from pipeline.loaders.usual import BATCH, CROP, NotThereError, counted, in_grain, in_torch

_ROUNDS: Final = 3  # of ours and theirs by turns
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
    parser.add_argument("--only", default="", help="pairs whose titles begin so")
    parser.add_argument("--workers", type=int, default=2, help="processes, where there are such")
    given = parser.parse_args(words)
    try:
        pairs = [pair for pair in PAIRS if pair.title.startswith(given.only)]
        _report(Task(given.out, given.split, given.workers, decode=False), given.seconds, pairs)
    except ShardmillError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_status
    return 0


def _report(given: Task, seconds: float, pairs: Sequence[Pair]) -> None:
    records = open_shards(given.out, given.split, (*LAYOUTS, "recordio")).records
    _say(f"{records} images, {given.workers} workers, medians of {_ROUNDS} rounds of {seconds:g} s")
    _say(f"{'':34}{_HEADING}")
    for pair in pairs:
        missing = [name for name in pair.modules if why_not_loaded(name)]
        if missing:
            _say(f"{pair.title}: not measured, {' and '.join(missing)} cannot be imported")
            continue
        missing = [name for name in pair.needs if why_not_loaded(name)]
        if missing:
            _say(f"{pair.usual}: not measured, {' and '.join(missing)} cannot be imported")
            pair = replace(pair, theirs=None)  # noqa: PLW2901 - what is left of it
        for decode in (False, True):
            task = replace(given, decode=decode)
            title = f"{pair.title}, {'decoded' if decode else 'encoded'}"
            try:
                _say(_line(title, pair, task, seconds))
            except NotThereError as error:
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


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _torch(task: Task, shard_format: str, *, by_number: bool = False) -> Images:
    loader = importlib.import_module("pipeline.loaders.torch")
    opened = loader.indexed if by_number else loader.dataset
    data = opened(task.out, task.split, decode=task.decode, shard_format=shard_format)
    return in_torch(data, task)


def _tfdata(task: Task) -> Images:
    loader = importlib.import_module("pipeline.loaders.tfdata")
    return counted(loader.dataset(task.out, task.split, decode=task.decode))


def _tfdata_shuffled(task: Task) -> Images:
    loader = importlib.import_module("pipeline.loaders.tfdata")
    return counted(loader.dataset(task.out, task.split, decode=task.decode, shuffle=True, seed=0))


def _grain(task: Task) -> Images:
    loader = importlib.import_module("pipeline.loaders.grain")
    return in_grain(loader.dataset(task.out, task.split, decode=task.decode), task)


def _dali(task: Task, *, shuffle: bool = False) -> Images:
    loader = importlib.import_module("pipeline.loaders.dali")
    given = {"batch_size": BATCH, "decode": task.decode, "shuffle": shuffle, "seed": 0}
    batches = loader.dataset(task.out, task.split, **given)
    return (len(batch["label"]) for epoch in repeat(batches) for batch in epoch)


def _mxnet(task: Task) -> Images:
    loader = importlib.import_module("pipeline.loaders.mxnet")
    if not task.decode:
        return (len(image[:1]) for _, image in loader.dataset(task.out, task.split, decode=False))
    data = loader.dataset(task.out, task.split, batch_size=BATCH, data_shape=CROP)
    return (BATCH - batch.pad for batch in data)


def _numbered(task: Task) -> Iterator[int]:
    for _ in open_records(task.out, task.split, decode=task.decode):
        yield 1


PAIRS: Final = (
    Pair("numbered, one process", ("PIL",), _numbered, None, ""),
    Pair(
        "torch, TFRecord",
        ("torch",),
        lambda task: _torch(task, "tfrecord"),
        usual.tfrecord_package,
        "the package tfrecord",
        ("tfrecord",),
    ),
    Pair(
        "torch, TFRecord beside files",
        ("torch",),
        lambda task: _torch(task, "tfrecord"),
        usual.image_folder,
        "torchvision's ImageFolder, which reads no shards",
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
        usual.webdataset,
        "webdataset's reader",
        ("webdataset",),
    ),
    Pair("tfdata", ("tensorflow",), _tfdata, usual.tfrecord_dataset, "TFRecordDataset"),
    Pair(
        "tfdata, shuffled",
        ("tensorflow",),
        _tfdata_shuffled,
        usual.tfrecord_dataset,
        "TFRecordDataset",
    ),
    Pair("grain", ("grain",), _grain, None, ""),
    Pair("dali", ("nvidia.dali",), _dali, usual.dali_reader, "DALI's reader"),
    Pair(
        "dali, shuffled",
        ("nvidia.dali",),
        lambda task: _dali(task, shuffle=True),
        usual.dali_reader_shuffled,
        "DALI's reader, which mixes 1,024 records",
    ),
    Pair("mxnet", ("mxnet",), _mxnet, usual.mxnet_usual, "ImageRecordIter or RecordFileDataset"),
)


if __name__ == "__main__":
    raise SystemExit(main())
