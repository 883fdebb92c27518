"""A finished output for NVIDIA DALI: batches of images with labels and boxes, on CPU or GPU.

``pip install '.[dali]'`` in the checkout of shardmill brings DALI for CUDA 12, which also runs on
machines without a GPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.loaders import position
from pipeline.loaders.batches import COLUMNS, BatchReader, Epochs
from pipeline.loaders.division import ALONE, Consumer, check_world
from pipeline.loaders.frameworks import missing
from pipeline.loaders.order import Order, seed_of
from pipeline.loaders.position import Position, Terms, reached
from pipeline.loaders.records import Records, open_records
from pipeline.storage import RemoteOptions

try:
    from nvidia.dali import fn, types
    from nvidia.dali.backend import TensorCPU, TensorListCPU
    from nvidia.dali.pipeline import Pipeline
except ImportError as error:
    raise missing("DALI", "dali", error) from error

Graph = dict[str, Any]
"""Name of an output -> node of DALI's graph."""
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
    defined = _Definition(batch_size, decode, transform, workers, threads, device_id)
    order = records.order(chosen)
    terms = Terms(records.identity, *check_world(world), chosen)
    return Batches(order, terms, batch_size, lambda epochs: defined.built(records, epochs))


@dataclass(frozen=True)
class _Definition:
    """How pipelines over some records are defined; see `dataset`, whose arguments these are."""

    batch_size: int
    decode: bool
    transform: Callable[[Graph], Graph] | None
    workers: int
    threads: int
    device_id: int | None

    def built(self, records: Records, epochs: Epochs) -> tuple[Pipeline, tuple[str, ...]]:
        """Return a pipeline that gives the records of epochs, and the names of what it gives."""
        source = self._source(records, epochs)
        pipeline = Pipeline(
            self.batch_size,
            self.threads,
            self.device_id,
            prefetch_queue_depth=_QUEUED,
            py_num_workers=max(1, self.workers),
            py_start_method="spawn",
        )
        with pipeline:
            nodes = self._nodes(source)
            pipeline.set_outputs(*nodes.values())
        pipeline.build()
        return pipeline, tuple(nodes)

    def _source(self, records: Records, epochs: Epochs) -> _Source:
        """Return what gives DALI the batches of epochs."""
        if self.workers:  # DALI copies what they read at once
            return _Source(BatchReader(records, epochs, self.batch_size, 1), None)
        thread = ThreadPoolExecutor(1)  # it ends with the source
        if not self.decode:
            return _Source(BatchReader(records, epochs, self.batch_size, 1, _copied), thread)
        in_dali = _QUEUED + 2  # batches that it was given, and perhaps has not decoded
        return _Source(BatchReader(records, epochs, self.batch_size, in_dali + 1), thread)

    def _nodes(self, source: _Source) -> Graph:
        """Return what the pipeline that is defined now gives."""
        given = fn.external_source(
            source,
            len(COLUMNS),
            batch=True,
            batch_info=True,
            parallel=self.workers > 0,
            no_copy=True,  # `BatchReader` has memory enough
        )
        # What processes read lies in memory that others of their batches are written to, and
        # that goes with the pipeline: a batch that is kept would change, or be a bad address.
        given = [fn.copy(node) for node in given] if self.workers else given
        nodes = dict(zip(COLUMNS, given, strict=True))
        if self.decode:
            device = "cpu" if self.device_id is None else "mixed"
            encoded = nodes.pop("encoded")
            image = fn.decoders.image(encoded, device=device, output_type=types.RGB)
            nodes = {"image": image, **nodes}
        return nodes if self.transform is None else self.transform(nodes)


class Batches:
    """The batches of a split in the order of an epoch; see `dataset`.

    The pipeline of an epoch that was read to its end, with its threads and processes, reads the
    next one.
    """

    def __init__(
        self,
        order: Order,
        terms: Terms,
        batch_size: int,
        built: Callable[[Epochs], tuple[Pipeline, tuple[str, ...]]],
    ) -> None:
        self._order, self._terms = order, terms
        self._consumer = Consumer(terms.rank, terms.size)
        self._batch_size = batch_size
        self._built = built
        self._now = Position()
        self._idle: tuple[int, Pipeline, tuple[str, ...]] | None = None

    def __len__(self) -> int:
        """Return how many images this rank has; batches are a `batch_size`-th, rounded up."""
        return self._order.length(self._consumer)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is read next, from its begin; else it is the one behind the last."""
        self._now = Position(epoch)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give the batches of the epoch, from where a loaded state stands."""
        epoch, (begun,) = self._now.epoch, self._now.taken
        pipeline, names = self._pipeline(self._now)
        length = len(self)
        for taken in range(begun, length, self._batch_size):
            batch = dict(zip(names, pipeline.run(), strict=True))
            self._now = reached(epoch, taken + self._batch_size, length)
            yield batch
        with contextlib.suppress(StopIteration):
            pipeline.run()  # it has to see the end
        pipeline.reset()
        self._idle = (epoch + 1, pipeline, names)

    def _pipeline(self, now: Position) -> tuple[Pipeline, tuple[str, ...]]:
        """Return a pipeline that begins at a position, and the names of what it gives."""
        idle, self._idle = self._idle, None
        if idle is not None and now == Position(idle[0]):
            return idle[1:]
        return self._built(Epochs(self._order, self._consumer, now))

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
    """What DALI asks for the batches of epochs, by their numbers, in whatever process.

    Args:
        reader: of the batches.
        thread: reads the next one while one is decoded and used; None: each is read when it is
            asked for, as in processes of DALI, which ask in time.
    """

    def __init__(self, reader: BatchReader, thread: Executor | None) -> None:
        self._reader, self._thread = reader, thread
        self._next: Future[tuple[Any, ...] | None] | None = None

    def __call__(self, info: Any) -> tuple[Any, ...]:
        epoch, number = info.epoch_idx, info.iteration
        ahead, self._next = self._next, None
        batch = self._reader.read(epoch, number) if ahead is None else ahead.result()
        if batch is None:
            raise StopIteration
        if self._thread is not None:
            self._next = self._thread.submit(self._reader.read, epoch, number + 1)
        return batch


def _copied(images: list[NDArray[np.uint8]]) -> TensorListCPU:
    """Return images as one thing that DALI passes on as it is: of a list it would copy each."""
    return TensorListCPU([TensorCPU(image, "") for image in images], "")
