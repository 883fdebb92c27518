"""A finished output for PyTorch: shards read by worker processes, or single records by number.

``pip install '.[torch]'`` in the checkout of shardmill brings PyTorch. TFRecord shards are read
without TensorFlow, and WebDataset shards without webdataset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pipeline.errors import UsageError
from pipeline.loaders import position
from pipeline.loaders.division import ALONE, Consumer, check_world, share
from pipeline.loaders.frameworks import missing
from pipeline.loaders.order import seed_of
from pipeline.loaders.position import Position, Terms
from pipeline.loaders.records import Records, open_records
from pipeline.storage import RemoteOptions

try:
    import torch
    from torch.utils.data import Dataset, IterableDataset, get_worker_info
except ImportError as error:
    raise missing("PyTorch", "torch", error) from error

_MOST_WORKERS: Final = 1024
Transform = Callable[[dict[str, Any]], Any]


def dataset(
    out: str | Path,
    split: str,
    *,
    decode: bool = True,
    shuffle: bool = False,
    seed: int | None = None,
    world: tuple[int, int] = ALONE,
    cache: str | Path | None = None,
    shard_format: str | None = None,
    transform: Transform | None = None,
    remote: RemoteOptions | None = None,
) -> ShardDataset:
    """Open one split of a finished output, to be read from begin to end in each epoch.

    Every example is a dict of tensors, numbers and texts::

        image       uint8 [height, width, 3], RGB; with decode=False
        encoded     bytes, the JPEG or PNG, in its place
        label       int, class index plus label offset; -1 where unlabelled
        labels      float32 [m], the numbers that a list says where they are no class; else [0]
        synset      str         text        str         filename    str
        height      int         width       int
        bbox        float32 [n, 4], rows of (ymin, xmin, ymax, xmax), fractions of the image
        bbox_label  int64 [n], of each object: its own label, or that of the image

    Args:
        out: the output folder of the shardmill command, or its address, ``s3://BUCKET/PREFIX``.
        split: such as ``train``.
        decode: whether to decode the images.
        shuffle: give the examples in a random order, another in each epoch that `set_epoch` names:
            shards at random, and the records of 16 of them mixed.
        seed: makes that order reproducible.
        world: rank and size, of processes that share an epoch. Each record is read by one, and
            ranks differ by one record at most.
        cache: folder of this machine that shards are fetched to, as for `tfdata`.
        shard_format: ``tfrecord`` or ``webdataset``; default: the first of these that OUT has.
        transform: is given each dict, in the worker that reads it, and returns what is given
            instead, such as a pair of a cropped image and its label.
        remote: how a store is reached; default: what AWS's variables and files say.

    Returns:
        An `IterableDataset` of known length, for `torch.utils.data.DataLoader` with any number of
        workers.

    Raises:
        OutputDamaged: the manifest or a shard is missing, or a shard has another size.
        UsageError: there is no such split, but others; the world cannot be; an output in a store
            and no cache.
        NoSpace: the cache has no room for the shards.
        ShardmillError: the store refuses or does not answer. What goes wrong while examples are
            read is raised there, in a worker too.
    """
    records = open_records(
        out, split, shard_format=shard_format, decode=decode, cache=cache, remote=remote
    )
    chosen = seed_of(seed, shuffle=shuffle)
    return ShardDataset(records, chosen, check_world(world), transform)


def indexed(
    out: str | Path,
    split: str,
    *,
    decode: bool = True,
    world: tuple[int, int] = ALONE,
    cache: str | Path | None = None,
    shard_format: str | None = None,
    transform: Transform | None = None,
    remote: RemoteOptions | None = None,
) -> IndexedDataset:
    """Open one split of a finished output, to be read by number, in the order that a sampler says.

    Arguments, examples and errors are those of `dataset`. With ``world``, a rank has the records
    of its part alone, numbered from 0; leave it out where a `DistributedSampler` divides them.
    """
    records = open_records(
        out, split, shard_format=shard_format, decode=decode, cache=cache, remote=remote
    )
    return IndexedDataset(records, check_world(world), transform)


class IndexedDataset(Dataset):  # type: ignore[misc]  # without torch it is Any
    """The examples of a split by their number, from 0 over the shards by name; see `indexed`."""

    def __init__(
        self, records: Records, world: tuple[int, int], transform: Transform | None
    ) -> None:
        self._records = records
        self._numbers = share(len(records), *world)
        self._transform = transform

    def __len__(self) -> int:
        """Return how many examples there are."""
        return len(self._numbers)

    def __getitem__(self, number: int) -> Any:
        """Return an example; see `Records`."""
        return _given(self._records, self._numbers[number], self._transform)


class ShardDataset(IterableDataset):  # type: ignore[misc]  # without torch it is Any
    """The examples of a split in the order of an epoch; see `dataset`.

    Epoch and position lie in memory that is shared with worker processes, also with those that
    outlive an epoch.
    """

    def __init__(
        self,
        records: Records,
        seed: int | None,
        world: tuple[int, int],
        transform: Transform | None,
    ) -> None:
        self._records = records
        self._order = records.order(seed)
        self._world = world
        self._terms = Terms(records.identity, *world, seed)
        self._transform = transform
        self._begin = _Begin()
        self._own: Position | None = None  # where a state stands that this worker alone has loaded
        self._now: Position | None = None  # of an iteration in this process

    def __len__(self) -> int:
        """Return how many examples this rank has, however many workers read them."""
        return self._order.length(Consumer(*self._world))

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is read next, from its begin; call it before each."""
        self._begin.say(epoch)
        self._now = None

    def __iter__(self) -> Iterator[Any]:
        """Give the examples that this process or worker has of the epoch."""
        worker = get_worker_info()
        at, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        begin = self._beginning(at, workers)
        part = begin.part(at)
        numbers = self._order.epoch(begin.epoch, Consumer(*self._world, part, workers))
        taken = list(begin.taken)
        for number in numbers[taken[part] :].tolist():
            given = _given(self._records, number, self._transform)
            taken[part] += 1
            self._now = Position(begin.epoch, tuple(taken), begin.turn)
            yield given

    def state_dict(self) -> dict[str, Any]:
        """Return where this process or worker stands, as plain data.

        Where `DataLoader` has workers, ask `torchdata.stateful_dataloader.StatefulDataLoader`, or
        `state_after`: this process does not know what they have read.
        """
        now = self._now
        if now is None and self._own is not None:
            now = self._own
        if now is None:  # nothing is read yet
            worker = get_worker_info()
            workers = 1 if worker is None else worker.num_workers
            now = Position(self._begin.epoch, (0,) * workers)
            now = self._begin.loaded or now if self._begin.is_awaited else now
        return position.saved(now, self._terms)

    def state_after(
        self, batches: int, *, batch_size: int, workers: int, drop_last: bool = False
    ) -> dict[str, Any]:
        """Return where the epoch stands when a `DataLoader` has given some batches.

        Args:
            batches: how many, since the epoch began or the last state was loaded.
            batch_size: that of the loader.
            workers: its number of workers; 0: none but this process.
            drop_last: that of the loader.
        """
        parts = max(1, workers)
        consumers = [Consumer(*self._world, part, parts) for part in range(parts)]
        begin = self._begin.loaded
        if begin is None or not any(begin.taken):
            begin = Position(self._begin.epoch, (0,) * parts)
        _check_workers(begin, parts)
        now = position.after_batches(
            [self._order.length(each) for each in consumers],
            begin,
            batches,
            batch_size,
            drop_last=drop_last,
        )
        return position.saved(now, self._terms)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Have the next iteration go on where a state was saved.

        Raises:
            UsageError: it is no state, or was saved of other shards, with another world or seed, or
                of more workers than there can be.
        """
        begin = position.loaded(state, self._terms, len(self))
        if get_worker_info() is None:
            self._begin.load(begin)
        else:  # as a StatefulDataLoader has each worker do, with a state of its own
            self._own = begin
        self._now = None

    def _beginning(self, worker: int, workers: int) -> Position:
        """Return where a worker begins: once where a state was loaded, then at the begin."""
        own, self._own = self._own, None
        if own is not None:
            _check_workers(own, workers)
            return own
        loaded = self._begin.loaded
        if loaded is not None and self._begin.is_awaited:
            _check_workers(loaded, workers)
            if self._begin.takes(worker):
                return loaded
        elif loaded is not None:  # all have gone on from there: this is a later iteration
            self._begin.say(loaded.epoch)
        return Position(self._begin.epoch, (0,) * workers)


class _Begin:
    """Which epoch is read next, and from where on, in memory that worker processes share.

    So those that outlive an epoch are told, too.
    """

    def __init__(self) -> None:
        # Epoch, turn, number of parts; how many records each has given; whether it is to resume.
        self._numbers = torch.zeros(3 + 2 * _MOST_WORKERS, dtype=torch.int64).share_memory_()

    @property
    def epoch(self) -> int:
        """Its number."""
        return int(self._numbers[0])

    @property
    def loaded(self) -> Position | None:
        """Where the state stands that was loaded for this epoch; None: none was."""
        epoch, turn, parts = self._numbers[:3].tolist()
        return (
            Position(epoch, tuple(self._numbers[3 : 3 + parts].tolist()), turn) if parts else None
        )

    @property
    def is_awaited(self) -> bool:
        """Whether a worker is still to begin there."""
        return bool(self._numbers[3 + _MOST_WORKERS :].any())

    def say(self, epoch: int) -> None:
        """Have an epoch read from its begin."""
        self._numbers.zero_()
        self._numbers[0] = epoch

    def load(self, begin: Position) -> None:
        """Have an epoch read from where a state stands.

        Raises:
            UsageError: it is of more workers than there can be.
        """
        parts = len(begin.taken)
        if parts > _MOST_WORKERS:
            raise UsageError(
                "the state is of more workers than there can be",
                expected=f"at most {_MOST_WORKERS}",
                found=str(parts),
            )
        self.say(begin.epoch)
        self._numbers[1:3] = torch.tensor([begin.turn, parts])
        self._numbers[3 : 3 + parts] = torch.tensor(begin.taken)
        self._numbers[3 + _MOST_WORKERS : 3 + _MOST_WORKERS + parts] = 1

    def takes(self, worker: int) -> bool:
        """Return whether a worker is to begin there, and have it do so once after each state."""
        at = 3 + _MOST_WORKERS + worker
        resumes = bool(self._numbers[at])
        self._numbers[at] = 0
        return resumes


def _check_workers(begin: Position, workers: int) -> None:
    if len(begin.taken) != workers:
        raise UsageError(
            "the state is of another number of workers",
            expected=f"{max(1, len(begin.taken))} of them",
            found=str(workers),
            remedy="give the loader as many as it had, or begin the epoch anew",
        )


def _given(records: Records, number: int, transform: Transform | None) -> Any:
    example: dict[str, Any] = dict(records[number])
    for name in ("image", "labels", "bbox", "bbox_label"):
        if name in example:
            example[name] = torch.from_numpy(example[name])
    return example if transform is None else transform(example)
