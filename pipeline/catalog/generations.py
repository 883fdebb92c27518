"""What is appended to a finished output: pure decisions about keys, shards, ids and names.

An output that was written at once has one generation of shards. An append keeps these as they are,
less the images that are gone, and puts the images that are new into a generation of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from pipeline.catalog import order as sharding


@dataclass(frozen=True)
class Comparison:
    """What becomes of the images of a finished output, and what is new.

    Attributes:
        sizes: how many images each finished shard keeps.
        new: how many images are new.
        vanished: how many are not there any more.
    """

    sizes: tuple[int, ...]
    new: int
    vanished: int


@dataclass(frozen=True)
class Fate:
    """What became of the shards of an output that others were appended to, by their names.

    Attributes:
        kept: those that have the bytes of one that was there, whatever its name was.
        rewritten: the others of the generations that were there.
        new: those of generations that were not there.
    """

    kept: tuple[str, ...]
    rewritten: tuple[str, ...]
    new: tuple[str, ...]


class KnownKeys:
    """The keys of a finished output in the order of its records, found by their hashes.

    It takes 24 bytes a key, and 59 while it is made: those of 14 million images take 830 MB then.

    Args:
        keys: of each shard, in order.
    """

    def __init__(self, keys: Iterable[Sequence[str]]) -> None:
        hashes, self.sizes = list[npt.NDArray[np.bytes_]](), list[int]()
        for of_shard in keys:
            hashes.append(_hashes(of_shard))
            self.sizes.append(len(of_shard))
        every = np.concatenate(hashes) if hashes else _hashes(())
        self._places = np.argsort(every, kind="stable").astype(np.int64)
        self._hashes = every[self._places]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._hashes)

    def places(self, keys: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return int64 of shape [len(keys)]: the place of each key in the output; -1: it is new."""
        hashes = _hashes(keys)
        if not len(self._hashes):
            return np.full(len(keys), -1, np.int64)
        near = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        found: npt.NDArray[np.int64] = np.where(
            self._hashes[near] == hashes, self._places[near], np.int64(-1)
        )
        return found


def compare(before: KnownKeys, now: Iterable[Sequence[str]]) -> Comparison:
    """Return what becomes of the shards of a finished output.

    Args:
        before: its keys.
        now: the keys of the images that there are now, in parts.
    """
    is_there, new = np.zeros(len(before), np.bool_), 0
    for keys in now:
        places = before.places(keys)
        new += int((places < 0).sum())
        is_there[places[places >= 0]] = True
    bounds = [0, *accumulate(before.sizes)]
    sizes = [int(is_there[a:b].sum()) for a, b in pairwise(bounds)]
    return Comparison(tuple(sizes), new, len(before) - int(is_there.sum()))


def emptied(sizes: Sequence[int], counts: Sequence[int]) -> tuple[int, ...]:
    """Return how many shards of each generation keep no image; of none nothing.

    Args:
        sizes: how many images each shard keeps, of all generations.
        counts: how many shards each generation has.
    """
    bounds = [0, *accumulate(counts)]
    lost = tuple(sum(not size for size in sizes[a:b]) for a, b in pairwise(bounds))
    return lost if any(lost) else ()


def shards_of_new(new: int, images: int, shards: int) -> int:
    """Return how many shards new images get: those of the first generation are about as full.

    Args:
        new: how many images are new.
        images: of the first generation, before the append; of all, where none of it is left.
        shards: likewise.
    """
    return min(new, max(1, round(new * shards / max(1, images))))


def sizes(kept: Sequence[int], new: int, shards: int) -> list[int]:
    """Return the images of each shard of an output: of those that are kept, then of the new ones.

    Args:
        kept: images of each shard that was there.
        new: how many images are new.
        shards: how many shards these get.
    """
    places = sharding.boundaries(new, shards) if shards else [0]
    return [*kept, *(stop - start for start, stop in pairwise(places))]


def ranks(
    before: KnownKeys, parts: Iterable[Sequence[str]], order: str, seed: int
) -> npt.NDArray[np.int64]:
    """Return int64 of shape [images]: the place of each image in the output.

    Those that were there stay in the order that they had; the new ones follow, in the order that
    they would have if they were all.

    Args:
        before: the keys that were there.
        parts: the keys of all images that there are, in the order of the catalog.
        order: one of `sharding.ORDERS`, which needs no classes.
        seed: of the hash order.
    """
    parts_of_places, new_keys = [np.empty(0, np.int64)], list[str]()
    for keys in parts:
        of_part = before.places(keys)
        parts_of_places.append(of_part)
        new_keys += (keys[place] for place in np.flatnonzero(of_part < 0).tolist())
    places = np.concatenate(parts_of_places)
    old, new = np.flatnonzero(places >= 0), np.flatnonzero(places < 0)
    ordered = new[sharding.permutation(new_keys, order, seed)]
    every = np.concatenate([old[np.argsort(places[old])], ordered])
    found = np.empty(len(places), np.int64)
    found[every] = np.arange(len(places))
    return found


def renumbered(
    tables: Iterable[pa.Table], before: KnownKeys, ids: npt.NDArray[np.uint64]
) -> Iterator[pa.Table]:
    """Yield rows with the ids that images had; new ones go on from the largest of these.

    Args:
        tables: rows of a catalog, of a source that numbers images by where they stand.
        before: the keys that were there.
        ids: of these, in the same order.
    """
    following = int(ids.max()) + 1 if len(ids) else 0
    for table in tables:
        places = before.places(table["key"].to_pylist())
        is_new = places < 0
        numbers = np.empty(len(places), np.uint64)
        numbers[~is_new] = ids[places[~is_new]]
        count = int(is_new.sum())
        numbers[is_new] = np.arange(following, following + count, dtype=np.uint64)
        following += count
        column = table.schema.get_field_index("id")
        yield table.set_column(column, table.schema.field("id"), pa.array(numbers))


def classes_of(rows: pa.RecordBatch) -> Iterator[tuple[str, int]]:
    """Yield name and index of each class that has a name, of the images and objects of rows."""
    every = rows.column("objects").flatten()
    columns = [
        (rows.column("class_text").cast(pa.string()), rows.column("class_index")),
        (every.field("class_id").cast(pa.string()), every.field("class_index")),
    ]
    for names, indexes in columns:
        pairs = pa.table({"name": names, "index": indexes}).group_by(["name", "index"])
        for name, index in zip(*pairs.aggregate([]).to_pydict().values(), strict=True):
            if name:
                yield name, index


def moved_class(before: Mapping[str, int], now: Mapping[str, int]) -> str | None:
    """Return the name of a class that would get another index, the first by its old one."""
    moved = [name for name, index in before.items() if now.get(name, index) != index]
    return min(moved, key=lambda name: before[name], default=None)


def moved_label(
    before: KnownKeys, labels: npt.NDArray[np.int32], tables: Iterable[pa.Table]
) -> tuple[str, int, int] | None:
    """Return the key of the first image whose class has another index, and both indexes.

    Args:
        before: the keys of a finished output.
        labels: int32 of shape [images], in the same order: the index of the class; -1: it has none.
        tables: rows of a catalog, of the images that there are now.
    """
    for table in tables:
        keys, now = table["key"].to_pylist(), table["class_index"].to_numpy()
        places = before.places(keys)
        then = np.where(places >= 0, labels[places], -1) if len(labels) else np.full(len(keys), -1)
        for row in np.flatnonzero((then >= 0) & (now >= 0) & (then != now))[:1].tolist():
            return str(keys[row]), int(then[row]), int(now[row])
    return None


def fate(before: Collection[str], now: Mapping[str, str], first_new: int) -> Fate:
    """Return what became of shards.

    Args:
        before: hashes of the contents of the shards that were there.
        now: likewise of those that there are, by name and in order.
        first_new: number of the first one of the generations that were not there.
    """
    made = [(number, name) for number, name in enumerate(now) if now[name] not in before]
    return Fate(
        kept=tuple(name for name, content in now.items() if content in before),
        rewritten=tuple(name for number, name in made if number < first_new),
        new=tuple(name for number, name in made if number >= first_new),
    )


def _hashes(keys: Sequence[str]) -> npt.NDArray[np.bytes_]:
    """Return S16 of shape [len(keys)]: the xxh3-128 of each key."""
    return np.frombuffer(b"".join(xxhash.xxh3_128_digest(key.encode()) for key in keys), "S16")
