"""What is appended to a finished output: pure decisions about keys, shards, ids and names.

An output that was written at once has one generation of shards. An append keeps these as they are,
less the images that are gone, and puts the images that are new into a generation of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from pipeline.catalog import order as sharding

_AT_ONCE: Final = 1 << 16  # keys


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
class ShardOrigins:
    """Where the shards come from of an output that others were appended to, by their names.

    Attributes:
        kept: those that are files of an output that was there, whatever their names were there.
        rewritten: the others of the generations that were there.
        new: those of generations that were not there.
    """

    kept: tuple[str, ...]
    rewritten: tuple[str, ...]
    new: tuple[str, ...]


class KnownKeys:
    """The keys of a finished output in the order of its records, found by their hashes.

    It takes 21 bytes a key, and 30 while it is made: those of 14 million images take 420 MB then.

    Args:
        keys: of each shard, in order.
    """

    def __init__(self, keys: Iterable[Sequence[str]]) -> None:
        first, second, self.sizes = bytearray(), bytearray(), list[int]()
        for of_shard in keys:
            hashes = _hashes(of_shard)
            first += hashes[:, 0].tobytes()
            second += hashes[:, 1].tobytes()
            self.sizes.append(len(of_shard))
        # There may be many millions: what can be is sorted where it is. No plan has as many rows
        # as 32 bits count, but an array that is indexed by these makes 64 of each of them.
        self._first = np.frombuffer(first, np.uint64)
        self._places = np.argsort(self._first).astype(np.uint32)
        self._first.sort()
        self._second = np.empty(len(self._places), np.uint64)
        for start in range(0, len(self._places), _AT_ONCE):
            some = self._places[start : start + _AT_ONCE]
            self._second[start : start + _AT_ONCE] = np.frombuffer(second, np.uint64)[some]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._places)

    def places(self, keys: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return int64 of shape [len(keys)]: the place of each key in the output; -1: it is new."""
        hashes = _hashes(keys)
        found = np.full(len(keys), -1, np.int64)
        near = np.searchsorted(self._first, hashes[:, 0])
        left = np.arange(len(keys))
        while len(left := left[near[left] < len(self)]):
            left = left[self._first[near[left]] == hashes[left, 0]]
            is_same = self._second[near[left]] == hashes[left, 1]
            found[left[is_same]] = self._places[near[left[is_same]]]
            left = left[~is_same]
            near[left] += 1
        return found


@dataclass(frozen=True, eq=False)
class KnownImages:
    """What is known of the images of a finished output, in the order of its records.

    Attributes:
        keys: their keys.
        ids: uint64 of shape [images]: their ids.
        labels: int32 of shape [images]: the index of the class of each; -1: it has none.
        classes: the index of each class that has a name, of images and of objects.
    """

    keys: KnownKeys
    ids: npt.NDArray[np.uint64]
    labels: npt.NDArray[np.int32]
    classes: Mapping[str, int]

    @classmethod
    def of(cls, shards: Iterable[pa.RecordBatch]) -> KnownImages:
        """Return what is known of the images of an output.

        Args:
            shards: the rows of each shard, in order; they are read once.
        """
        ids, labels, classes = bytearray(), bytearray(), dict[str, int]()

        def keys_of_shards() -> Iterator[Sequence[str]]:
            for rows in shards:
                ids.extend(rows.column("id").to_numpy().tobytes())
                labels.extend(rows.column("class_index").to_numpy().tobytes())
                classes.update(classes_of(rows))
                yield rows.column("key").to_pylist()

        keys = KnownKeys(keys_of_shards())
        return cls(keys, np.frombuffer(ids, np.uint64), np.frombuffer(labels, np.int32), classes)

    def places(self, rows: pa.Table) -> npt.NDArray[np.int64]:
        """Return int64 of shape [rows]: the place of each image in the output; -1: it is new.

        The key of a path that a list names once is the path; of one that it names more than once
        it has the id behind it. So an image whose path is named a second time has another key than
        it had, and the place that it had.
        """
        keys = rows["key"].to_pylist()
        places = self.keys.places(keys)
        unknown = np.flatnonzero(places < 0)
        ids = rows["id"].to_numpy()[unknown]
        pairs = zip(unknown.tolist(), ids.tolist(), strict=True)
        renamed = self.keys.places([_other_key(keys[row], number) for row, number in pairs])
        is_same = renamed >= 0
        is_same[is_same] = self.ids[renamed[is_same]] == ids[is_same]
        places[unknown[is_same]] = renamed[is_same]
        return places


def _other_key(key: str, number: int) -> str:
    """Return the key of an image if its path were named once in place of more often, or so."""
    return key.removesuffix(f"#{number}") if key.endswith(f"#{number}") else f"{key}#{number}"


def compare(before: KnownImages, now: Iterable[pa.Table]) -> Comparison:
    """Return what becomes of the shards of a finished output.

    Args:
        before: its images.
        now: rows of a catalog, of the images that there are now.
    """
    is_there, new = np.zeros(len(before.keys), np.bool_), 0
    for rows in now:
        places = before.places(rows)
        new += int((places < 0).sum())
        is_there[places[places >= 0]] = True
    bounds = [0, *accumulate(before.keys.sizes)]
    sizes = [int(is_there[a:b].sum()) for a, b in pairwise(bounds)]
    return Comparison(tuple(sizes), new, len(is_there) - int(is_there.sum()))


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
    before: KnownImages, tables: Iterable[pa.Table], order: str, seed: int
) -> npt.NDArray[np.int64]:
    """Return int64 of shape [images]: the place of each image in the output.

    Those that were there stay in the order that they had; the new ones follow, in the order that
    they would have if they were all.

    Args:
        before: the images that were there.
        tables: rows of the catalog, of all images that there are, in its order.
        order: one of `sharding.ORDERS`, which needs no classes.
        seed: of the hash order.
    """
    parts_of_places, new_keys = [np.empty(0, np.int64)], list[str]()
    for rows in tables:
        of_part, keys = before.places(rows), rows["key"].to_pylist()
        parts_of_places.append(of_part)
        new_keys += (keys[place] for place in np.flatnonzero(of_part < 0).tolist())
    places = np.concatenate(parts_of_places)
    old, new = np.flatnonzero(places >= 0), np.flatnonzero(places < 0)
    ordered = new[sharding.permutation(new_keys, order, seed)]
    every = np.concatenate([old[np.argsort(places[old])], ordered])
    found = np.empty(len(places), np.int64)
    found[every] = np.arange(len(places))
    return found


def renumbered(tables: Iterable[pa.Table], before: KnownImages) -> Iterator[pa.Table]:
    """Yield rows with the ids that images had; new ones go on from the largest of these.

    Args:
        tables: rows of a catalog, of a source that numbers images by where they stand.
        before: the images that were there.
    """
    following = int(before.ids.max()) + 1 if len(before.ids) else 0
    for table in tables:
        places = before.places(table)
        is_new = places < 0
        numbers = np.empty(len(places), np.uint64)
        numbers[~is_new] = before.ids[places[~is_new]]
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


def moved_label(before: KnownImages, tables: Iterable[pa.Table]) -> tuple[str, int, int] | None:
    """Return the key of the first image whose class has another index, and both indexes.

    Args:
        before: the images of a finished output.
        tables: rows of a catalog, of the images that there are now.
    """
    for table in tables:
        now, places = table["class_index"].to_numpy(), before.places(table)
        then = np.full(len(places), -1, np.int32)
        then[places >= 0] = before.labels[places[places >= 0]]
        for row in np.flatnonzero((then >= 0) & (now >= 0) & (then != now))[:1].tolist():
            return str(table["key"][row].as_py()), int(then[row]), int(now[row])
    return None


def origins(names: Sequence[str], kept: Collection[int], first_new: int) -> ShardOrigins:
    """Return where shards come from.

    Args:
        names: of all shards, in order.
        kept: numbers of those that are files of an output that was there.
        first_new: number of the first one of the generations that were not there.
    """
    made = [(number, name) for number, name in enumerate(names) if number not in kept]
    return ShardOrigins(
        kept=tuple(names[number] for number in sorted(kept)),
        rewritten=tuple(name for number, name in made if number < first_new),
        new=tuple(name for number, name in made if number >= first_new),
    )


def _hashes(keys: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return uint64 of shape [len(keys), 2]: both halves of the xxh3-128 of each key."""
    joined = b"".join(xxhash.xxh3_128_digest(key.encode()) for key in keys)
    return np.frombuffer(joined, np.uint64).reshape(-1, 2)
