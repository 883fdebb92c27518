"""A finished output for NVIDIA DALI: batches of images with labels and boxes, on CPU or GPU.

``pip install '.[dali]'`` in the checkout of shardmill brings DALI for CUDA 12, which also runs on
machines without a GPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.loaders import position
from pipeline.loaders.division import ALONE, Consumer, check_world
from pipeline.loaders.example import boxes
from pipeline.loaders.frameworks import missing
from pipeline.loaders.order import seed_of
from pipeline.loaders.position import Position, Terms, reached
from pipeline.loaders.records import Records, open_records
from pipeline.storage import RemoteOptions

try:
    from nvidia.dali import fn, types
    from nvidia.dali.pipeline import Pipeline
except ImportError as error:
    raise missing("DALI", "dali", error) from error

Graph = dict[str, Any]
"""Name of an output -> node of DALI's graph."""
Column = list[NDArray[Any]] | NDArray[Any]
"""An array an image, or one with the images as its first dimension."""
_OUTPUTS: Final = ("encoded", "label", "labels", "filename", "bbox", "bbox_label")
_QUEUED: Final = 2  # batches that DALI makes ahead


def dataset(
    out: str | Path,
    split: str,
    *,
    batch_size: int,
    decode: bool = True,
    shuffle: bool = False,
    seed: int | None = None,
    world: tuple[int, int] = ALONE,
    cache: str | Path | None = None,
    shard_format: str | None = None,
    transform: Callable[[Graph], Graph] | None = None,
    workers: int = 0,
    threads: int = 2,
    device_id: int | None = None,
    remote: RemoteOptions | None = None,
) -> Batches:
    """Open one split of a finished output as batches of DALI.

    Each batch is a dict of lists of tensors, an element an image::

        image       uint8 [height, width, 3], RGB; with decode=False
        encoded     uint8 [bytes], the JPEG or PNG, in its place
        label       int64 [1], class index plus label offset; -1 where unlabelled
        labels      float32 [m], the numbers that a list says where they are no class; else [0]
        filename    uint8 [bytes], UTF-8
        bbox        float32 [n, 4], rows of (ymin, xmin, ymax, xmax), fractions of the image
        bbox_label  int64 [n], of each object: its own label, or that of the image

    Args:
        out: the output folder of the shardmill command, or its address, ``s3://BUCKET/PREFIX``.
        split: such as ``train``.
        batch_size: images in a batch; the last one of an epoch may have fewer.
        decode: whether to decode the images: by DALI, on the GPU of `device_id` where it is given.
        shuffle: give the examples in a random order, another in each epoch that `set_epoch` names:
            shards at random, and the records of 16 of them mixed.
        seed: makes that order reproducible.
        world: rank and size, of processes that share an epoch. Each record is read by one, and
            ranks differ by one record at most.
        cache: folder of this machine that shards are fetched to, as for `tfdata`.
        shard_format: ``tfrecord`` or ``webdataset``; default: the first of these that OUT has.
        transform: is given the nodes of DALI's graph by the names above, and returns those that
            are wanted, such as images cropped and resized.
        workers: processes that read for DALI, in the same order; 0: a thread of this one does.
        threads: of DALI.
        device_id: of the GPU; None: everything is done on the CPU.
        remote: how a store is reached; default: what AWS's variables and files say.

    Raises:
        OutputDamaged: the manifest or a shard is missing, or a shard has another size.
        UsageError: there is no such split, but others; the world cannot be; an output in a store
            and no cache.
        NoSpace: the cache has no room for the shards.
        ShardmillError: the store refuses or does not answer. What goes wrong while examples are
            read is DALI's error with the text of one.
    """
    records = open_records(
        out, split, shard_format=shard_format, decode=False, cache=cache, remote=remote
    )
    chosen = seed_of(seed, shuffle=shuffle)

    def built(source: _Source) -> Pipeline:
        pipeline = Pipeline(
            batch_size,
            threads,
            device_id,
            prefetch_queue_depth=_QUEUED,
            py_num_workers=max(1, workers),
            py_start_method="spawn",
        )
        with pipeline:
            given = fn.external_source(
                source,
                len(_OUTPUTS),
                batch=True,
                batch_info=True,
                parallel=workers > 0,
                no_copy=True,  # they stay as they are in `_Memory`
            )
            nodes = dict(zip(_OUTPUTS, given, strict=True))
            if decode:
                device = "cpu" if device_id is None else "mixed"
                encoded = nodes.pop("encoded")
                image = fn.decoders.image(encoded, device=device, output_type=types.RGB)
                nodes = {"image": image, **nodes}
            nodes = nodes if transform is None else transform(nodes)
            pipeline.set_outputs(*nodes.values())
        pipeline.build()
        source.names = tuple(nodes)
        return pipeline

    rank_and_size = check_world(world)
    return Batches(records, chosen, rank_and_size, batch_size, built, by_processes=workers > 0)


class Batches:
    """The batches of a split in the order of an epoch; see `dataset`."""

    def __init__(
        self,
        records: Records,
        seed: int | None,
        world: tuple[int, int],
        batch_size: int,
        built: Callable[[_Source], Pipeline],
        *,
        by_processes: bool,
    ) -> None:
        self._records = records
        self._order = records.order(seed)
        self._consumer = Consumer(*world)
        self._terms = Terms(records.identity, *world, seed)
        self._batch_size = batch_size
        self._built, self._by_processes = built, by_processes
        self._now = Position()

    def __len__(self) -> int:
        """Return how many images this rank has; batches are a `batch_size`-th, rounded up."""
        return self._order.length(self._consumer)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is read next, from its begin; else it is the one behind the last."""
        self._now = Position(epoch)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give the batches of the epoch, from where a loaded state stands."""
        epoch, (begun,) = self._now.epoch, self._now.taken
        numbers = self._order.epoch(epoch, self._consumer)
        with contextlib.ExitStack() as stack:
            thread = None if self._by_processes else stack.enter_context(ThreadPoolExecutor(1))
            source = _Source(self._records, numbers[begun:], self._batch_size, thread)
            pipeline = self._built(source)
            for taken in range(begun, len(numbers), self._batch_size):
                batch = dict(zip(source.names, pipeline.run(), strict=True))
                self._now = reached(epoch, taken + self._batch_size, len(numbers))
                yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return which images were given, as plain data; behind the last, the next epoch begins."""
        return position.saved(self._now, self._terms)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Have the next iteration go on where a state was saved.

        Raises:
            UsageError: it is no state, or was saved of other shards, or with another world or seed,
                or of workers of torch.
        """
        begun = position.loaded_alone(state, self._terms, len(self))
        self._now = reached(begun.epoch, begun.taken[0], len(self))


class _Source:
    """What DALI asks for the batches of an epoch, by their number, in whatever process.

    Args:
        records: that are read.
        numbers: of the records, in the order of the epoch.
        batch_size: how many are in a batch.
        thread: reads the next batch while one is decoded and used; None: each when it is asked
            for, as in processes of DALI, which ask in time.
    """

    def __init__(
        self,
        records: Records,
        numbers: NDArray[np.int64],
        batch_size: int,
        thread: Executor | None,
    ) -> None:
        self.names: tuple[str, ...] = ()
        self._records, self._numbers, self._batch_size = records, numbers, batch_size
        self._memory = _Memory(_QUEUED + 3)  # that the user has, and two on their way
        self._thread = thread
        self._next: Future[tuple[Column, ...] | None] | None = None

    def __call__(self, info: Any) -> tuple[Column, ...]:
        batch = self._batch(info.iteration) if self._next is None else self._next.result()
        if batch is None:
            raise StopIteration
        if self._thread is not None:
            self._next = self._thread.submit(self._batch, info.iteration + 1)
        return batch

    def _batch(self, iteration: int) -> tuple[Column, ...] | None:
        """Return the columns of a batch; None: there is none left."""
        begin = iteration * self._batch_size
        numbers = self._numbers[begin : begin + self._batch_size].tolist()
        if not numbers:
            return None
        # An image that is alone in its batch is given as it lies, and the user may keep it.
        memory = self._memory.of_next_batch if len(numbers) > 1 else _fresh
        rows = self._records.batch(numbers, memory)
        records = [record for record, _ in rows]
        return (
            [np.frombuffer(record.encoded, np.uint8) for record in records],
            np.array([[record.label] for record in records], np.int64),
            _together([np.array(record.labels, np.float32) for record in records]),
            _together([np.frombuffer(each.filename.encode(), np.uint8) for each in records]),
            _together([boxes(record) for record in records]),
            _together([np.array(object_labels, np.int64) for _, object_labels in rows]),
        )


class _Memory:
    """Memory for the images of batches, by turns: DALI reads them where they lie.

    Fresh memory for each batch costs more in page faults than a copy.
    """

    def __init__(self, batches: int) -> None:
        self._buffers = [np.empty(0, np.uint8)] * batches
        self._next = 0

    def of_next_batch(self, size: int) -> memoryview:
        """Return memory of so many bytes, valid until as many batches have come as there are."""
        buffer = self._buffers[self._next]
        if len(buffer) < size:
            buffer = self._buffers[self._next] = np.empty(size + size // 4, np.uint8)
        self._next = (self._next + 1) % len(self._buffers)
        return buffer.data[:size]


def _fresh(size: int) -> memoryview:
    return np.empty(size, np.uint8).data


def _together(arrays: list[NDArray[Any]]) -> Column:
    """Return arrays as one if all have the same shape: DALI takes it in a tenth of the time."""
    if len({array.shape for array in arrays}) > 1:
        return arrays
    return np.array(arrays)
