"""A finished output for Grain: a source of random access, and a data set over it.

``pip install '.[grain]'`` in the checkout of shardmill brings Grain.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, SupportsIndex

from pipeline.errors import UsageError
from pipeline.loaders import array_records
from pipeline.loaders.array_records import ArrayRecords
from pipeline.loaders.division import ALONE, check_world, share
from pipeline.loaders.example import Example
from pipeline.loaders.frameworks import missing
from pipeline.loaders.layouts import LAYOUTS
from pipeline.loaders.order import seed_of
from pipeline.loaders.records import Records, open_records
from pipeline.loaders.shards import open_shards
from pipeline.storage import RemoteOptions

try:
    import grain
except ImportError as error:
    raise missing("Grain", "grain", error) from error

_SEED_BITS: Final = 0xFFFFFFFF  # Grain takes 32


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
    remote: RemoteOptions | None = None,
) -> Any:
    """Open one split of a finished output as a `grain.MapDataset`, one epoch long.

    ``.repeat()`` makes epochs of it, each in another order where it is shuffled; batches, worker
    processes (``mp_prefetch``) and the state of an iterator are Grain's own, and exact.

    Args:
        out: the output folder of the shardmill command, or its address, ``s3://BUCKET/PREFIX``.
        split: such as ``train``.
        decode: whether to decode the images.
        shuffle: give the examples in a random order, of all that the rank has.
        seed: makes that order reproducible.
        world: rank and size, of processes that share an epoch. Each record is read by one, and
            ranks differ by one record at most.
        cache: folder of this machine that shards are fetched to, as for `tfdata`.
        shard_format: ``tfrecord``, ``webdataset`` or ``arrayrecord``; default: the first of these
            that OUT has.
        remote: how a store is reached; default: what AWS's variables and files say.

    Returns:
        A data set of `Example`, of known length.

    Raises:
        OutputDamaged: the manifest or a shard is missing, or a shard has another size.
        UsageError: there is no such split, but others; the world cannot be; an output in a store
            and no cache.
        NoSpace: the cache has no room for the shards.
        ShardmillError: the store refuses or does not answer. What goes wrong while examples are
            read is raised there.
    """
    records = _records(out, split, shard_format, decode=decode, cache=cache, remote=remote)
    examples = grain.MapDataset.source(Source(records, check_world(world)))
    chosen = seed_of(seed, shuffle=shuffle)
    return examples if chosen is None else examples.shuffle(seed=chosen & _SEED_BITS)


def _records(
    out: str | Path,
    split: str,
    shard_format: str | None,
    *,
    decode: bool,
    cache: str | Path | None,
    remote: RemoteOptions | None,
) -> Records | ArrayRecords:
    """Return the records of the format that is named, or of the first one that there is."""
    if shard_format in LAYOUTS:
        return open_records(
            out, split, shard_format=shard_format, decode=decode, cache=cache, remote=remote
        )
    formats = (*LAYOUTS, array_records.NAME)
    if shard_format is not None and shard_format not in formats:
        raise UsageError(
            "shard_format: records of this format are not read one by one",
            expected=" or ".join(formats),
            found=shard_format,
        )
    chosen = (shard_format,) if shard_format else formats
    shards = open_shards(out, split, chosen, cache=cache, options=remote)
    if shards.format == array_records.NAME:
        return ArrayRecords(shards, decode=decode)
    return Records(shards, LAYOUTS[shards.format], decode=decode)


class Source:
    """The examples that a rank has, by number: what Grain calls a `RandomAccessDataSource`."""

    def __init__(self, records: Records | ArrayRecords, world: tuple[int, int]) -> None:
        self._records = records
        self._numbers = share(len(records), *world)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._numbers)

    def __getitem__(self, number: SupportsIndex) -> Example:
        """Return an example; errors as of `Records`."""
        return self._records[self._numbers[number]]

    def __repr__(self) -> str:
        """Return what Grain compares when a state is loaded: the same for the same examples."""
        return f"Source({self._records.identity}, {self._numbers})"
