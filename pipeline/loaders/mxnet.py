"""A finished RecordIO output for MXNet: its own image iterator, or records by number.

MXNet 1.9.1, the last release, needs NumPy below 1.24, and so an environment of its own:
docs/loading.md says what is installed there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.loaders import image_records, position
from pipeline.loaders.division import ALONE, Consumer, check_world
from pipeline.loaders.frameworks import missing
from pipeline.loaders.image_records import ImageRecords
from pipeline.loaders.order import Order, seed_of
from pipeline.loaders.position import Position, Terms, reached
from pipeline.loaders.shards import Shards, open_shards
from pipeline.storage import RemoteOptions

try:
    import mxnet as mx
except ImportError as error:
    raise missing("MXNet", None, error) from error

_APART: Final = ";"  # between the files that MXNet reads one after another
_SEEDS: Final = 1 << 31  # what MXNet takes is a 32-bit integer
_EACH_EPOCH: Final = 0x9E3779B1  # seeds of epochs are far from each other


def dataset(
    out: str | Path,
    split: str,
    *,
    decode: bool = True,
    shuffle: bool = False,
    seed: int | None = None,
    world: tuple[int, int] = ALONE,
    cache: str | Path | None = None,
    batch_size: int | None = None,
    data_shape: tuple[int, int, int] | None = None,
    remote: RemoteOptions | None = None,
    **more: Any,
) -> ImageBatches | RecordReader:
    """Open one split of a finished output.

    With ``decode=True`` its batches are those of `mx.io.ImageRecordIter`, float32
    ``(batch_size, *data_shape)``, and labels float32 ``(batch_size,)`` or ``(batch_size, m)``
    where a list says m numbers of each image. The last ``batch.pad`` images of an epoch's last
    batch are there twice, to fill it. With ``decode=False`` each record is a pair as
    `mx.recordio.unpack` gives it: a header, whose ``label`` is a float or float32 ``(m,)``, and
    the bytes of the JPEG or PNG.

    Args:
        out: the output folder of the shardmill command, or its address, ``s3://BUCKET/PREFIX``.
        split: such as ``train``.
        decode: whether MXNet decodes the images, and crops them to `data_shape`.
        shuffle: give the images in a random order, another in each epoch. `ImageRecordIter` mixes
            what it reads at once, 16 MB, and takes pieces of 64 MB at random; without `decode` it
            is the order of the other loaders.
        seed: makes that order reproducible.
        world: rank and size, of processes that share an epoch. Each record is read by one. Without
            `decode` ranks differ by one record at most; `ImageRecordIter` divides by bytes.
        cache: folder of this machine that shards are fetched to, as for `tfdata`.
        batch_size: images in a batch; with `decode` alone, and needed there.
        data_shape: channels, height and width of each image; likewise.
        remote: how a store is reached; default: what AWS's variables and files say.
        more: what else `ImageRecordIter` is given, such as ``resize=256, rand_crop=True``.

    Raises:
        OutputDamaged: the manifest or a shard is missing, or a shard has another size.
        UsageError: there is no such split, but others; the world cannot be; an output in a store
            and no cache; `batch_size` or `data_shape` is missing, or given without a use; the path
            of a shard has a character that MXNet takes for another thing.
        NoSpace: the cache has no room for the shards.
        ShardmillError: the store refuses or does not answer.
    """
    rank, size = check_world(world)
    given = {"batch_size": batch_size, "data_shape": data_shape, **more}
    _check_given(given, decode=decode)
    shards = open_shards(out, split, image_records.NAME, cache=cache, options=remote)
    chosen = seed_of(seed, shuffle=shuffle)
    terms = Terms(shards.identity, rank, size, chosen)
    if not decode:
        return RecordReader(shards, terms)
    files = [_readable(shards.path(shard.file)) for shard in shards.listed if shard.records]

    def opened(epoch: int) -> Any:
        return mx.io.ImageRecordIter(
            path_imgrec=_APART.join(files),
            num_parts=size,
            part_index=rank,
            round_batch=True,  # else the last batch is filled without a word
            **({} if chosen is None else _shuffled(chosen, epoch)),
            **{"label_width": label_width, "verbose": False, **given},
        )

    label_width = _label_width(RecordReader(shards, Terms(shards.identity, *ALONE, None)))
    return ImageBatches(opened, terms, batch_size or 1, shards.records)


class ImageBatches(mx.io.DataIter):  # type: ignore[misc]  # without MXNet it is Any
    """The batches of `mx.io.ImageRecordIter`, which is made anew for each epoch.

    One that is reset begins with the images that filled the last batch, so that an epoch would
    not have each image once.
    """

    def __init__(
        self, opened: Callable[[int], Any], terms: Terms, batch_size: int, records: int
    ) -> None:
        super().__init__(batch_size)
        self._opened, self._terms, self._records = opened, terms, records
        self._now = Position()
        self._images = opened(0)
        self._ahead: Any = None  # a batch that is read already

    @property
    def provide_data(self) -> Any:
        """Name and shape of what is in a batch."""
        return self._images.provide_data

    @property
    def provide_label(self) -> Any:
        """Name and shape of the labels of a batch."""
        return self._images.provide_label

    def next(self) -> Any:
        """Return the next batch of the epoch."""
        batch, self._ahead = self._ahead, None
        batch = batch or self._images.next()
        epoch, (taken,) = self._now.epoch, self._now.taken
        self._now = Position(epoch, (taken + self.batch_size - batch.pad,))
        return batch

    def reset(self) -> None:
        """Go on with the next epoch, or remain at the begin of this one.

        MXNet's loops call it behind each epoch, and the first one may before it begins.
        """
        if any(self._now.taken):
            self.set_epoch(self._now.epoch + 1)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is read next, from its begin."""
        self._now, self._images, self._ahead = Position(epoch), self._opened(epoch), None

    def state_dict(self) -> dict[str, Any]:
        """Return where the epoch stands, as plain data."""
        return position.saved(self._now, self._terms)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a state was saved: the batches before it are read once more.

        Behind the last batch of an epoch that is the next one.

        Raises:
            UsageError: it is no state, or was saved of other shards, or with another world or seed,
                or between two batches of another size; the epoch begins anew then.
        """
        begun = position.loaded_alone(state, self._terms, self._records)
        self.set_epoch(begun.epoch)
        with contextlib.suppress(StopIteration):
            while self._now.taken < begun.taken:
                self.next()
        if self._now != begun:
            self.set_epoch(begun.epoch)
            raise UsageError(
                "no batch ends where the state stands",
                expected=f"a multiple of the batch size, {self.batch_size}, or all that there are",
                found=f"{begun.taken[0]} images",
                remedy="give the batch size that the state was saved with, or begin the epoch anew",
            )
        if any(begun.taken):
            self._pass_end()

    def _pass_end(self) -> None:
        """Begin the next epoch where this one has no batch left, which only reading tells."""
        try:
            self._ahead = self._images.next()
        except StopIteration:
            self.set_epoch(self._now.epoch + 1)


class RecordReader:
    """The records of a split by their place in the order of an epoch; see `dataset`.

    It is a data set for `mx.gluon.data.DataLoader` with any number of workers, without its
    ``shuffle``; each process reads for itself, and one thread of it.
    """

    def __init__(self, shards: Shards, terms: Terms) -> None:
        self._records, self._terms = ImageRecords(shards), terms
        self._order = Order(tuple(shard.records for shard in shards.listed), terms.seed)
        self._now = Position()
        self._numbers = self._order_of(0)

    def __len__(self) -> int:
        """Return how many records this rank has."""
        return len(self._numbers)

    def __getitem__(self, place: int) -> tuple[Any, bytes]:
        """Return header and image of a record, by its place in the epoch.

        Raises:
            IndexError: there is no such record.
            OutputDamaged: shard or index is missing, or not as it was written.
            ShardmillError: a file cannot be read, or fetched into the cache.
        """
        if not 0 <= place < len(self):
            raise IndexError(f"record {place} of {len(self)}")
        header, image = mx.recordio.unpack(self._records.payload(self._numbers[place]))
        if header.flag:
            header = header._replace(label=header.label.copy())  # it was a view of the record
        return header, image.tobytes()

    def __iter__(self) -> Iterator[tuple[Any, bytes]]:
        """Give the records of the epoch, from where a loaded state stands."""
        self._begin(self._now)
        epoch, length = self._now.epoch, len(self)
        for place in range(self._now.taken[0], length):
            record = self[place]
            self._now = reached(epoch, place + 1, length)
            yield record

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is read next, from its begin; else it is the one behind the last."""
        self._begin(Position(epoch))

    def state_dict(self) -> dict[str, Any]:
        """Return how many records of the epoch were given, as plain data."""
        return position.saved(self._now, self._terms)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Have the next iteration go on where a state was saved.

        Raises:
            UsageError: it is no state, or was saved of other shards, or with another world or seed.
        """
        begun = position.loaded_alone(state, self._terms, len(self))
        self._begin(reached(begun.epoch, begun.taken[0], len(self)))

    def _begin(self, now: Position) -> None:
        self._now, self._numbers = now, self._order_of(now.epoch)

    def _order_of(self, epoch: int) -> NDArray[np.int64]:
        return self._order.epoch(epoch, Consumer(self._terms.rank, self._terms.size))


def _check_given(given: Mapping[str, Any], *, decode: bool) -> None:
    missing_ones = [name for name in ("batch_size", "data_shape") if not given[name]]
    if decode and missing_ones:
        raise UsageError(
            f"{' and '.join(missing_ones)}: needed where MXNet decodes",
            expected="such as batch_size=64, data_shape=(3, 224, 224)",
            found="none",
        )
    idle = [name for name, value in given.items() if value is not None]
    if not decode and idle:
        raise UsageError(
            f"{', '.join(idle)}: without effect where nothing is decoded",
            remedy="leave it out, or decode",
        )


def _readable(path: Path) -> str:
    """Return a path as MXNet is given it, which takes some characters for other things."""
    text = str(path)
    if any(mark in text for mark in f"{_APART}#?"):
        raise UsageError(
            "MXNet cannot be given the path of this shard",
            file=text,
            expected="a path without ; # and ?",
            remedy="read it through a link without them, or with a cache= without them",
        )
    return text


def _label_width(records: RecordReader) -> int:
    """Return how many labels each image has: all have as many as the first."""
    return max(1, records[0][0].flag) if len(records) else 1


def _shuffled(seed: int, epoch: int) -> dict[str, Any]:
    of_epoch = (seed + epoch * _EACH_EPOCH) % _SEEDS
    return {
        "shuffle": True,
        "seed": of_epoch,
        "shuffle_chunk_size": 64,  # MB
        "shuffle_chunk_seed": of_epoch,
    }
