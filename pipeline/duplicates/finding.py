"""Which images of an output are duplicates: facts, plans and hashes of all splits are joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.duplicates.grouping import Images, Members, grouped
from pipeline.finished.outputs import CountingOutput
from pipeline.finished.shard_rows import read_shards

EXACT, NEAR = "exact", "near"
BETWEEN_SPLITS, BETWEEN_CLASSES, WITHIN_A_CLASS = range(3)
"""What a group is, the worst first: images in several splits, of several classes, or neither."""

DUPLICATES: Final = pa.schema(
    [
        ("group", pa.int64()),  # from 1, as on the page; null: an image without a hash
        ("kind", pa.string()),  # of the group: all have the same bytes, or not; "": no group
        ("between_splits", pa.bool_()),  # whether the group has images of several splits
        ("between_classes", pa.bool_()),  # whether it has images of several classes
        ("key", pa.string()),
        ("split", pa.string()),
        ("class", pa.string()),  # id and words, or labels of an image list; "": none
        ("distance", pa.int32()),  # bits from the first image of the group; null: not known
        ("same_bytes", pa.bool_()),  # as the first image of the group
        ("shard", pa.int32()),  # 0-based
        ("record", pa.int32()),  # 0-based in the shard
        ("offset", pa.int64()),  # of the record in the shard, bytes
        ("length", pa.int64()),  # of the record, bytes
        ("bytes", pa.int64()),  # of the stored image
        ("width", pa.int32()),  # pixels
        ("height", pa.int32()),  # pixels
        ("mode", pa.string()),  # of the source
        ("xxh3_128", pa.string()),  # of the stored image, hex
        ("why", pa.string()),  # why there is no perceptual hash; "": there is one
    ]
)
"""Columns of ``duplicates.parquet``: images in groups, group by group, and then those that could
not be decoded and are in no group."""
_OF_FACTS: Final = ("key", "shard", "record", "offset", "length", "bytes", "width", "height")

HashesOf = Callable[[str, int], Mapping[str, NDArray[Any]]]
"""Returns `number` (uint64), `hashed` (bool) and `why` of the images of a shard of a split."""


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        table: as of `DUPLICATES`.
        exact: how many groups there are of images of the same bytes.
        near: how many others.
        between_splits: how many of both have images of several splits.
        images: how many were compared.
        without_hash: how many of them have no perceptual hash, though there are shards.
    """

    table: pa.Table
    exact: int
    near: int
    between_splits: int
    images: int
    without_hash: int


@dataclass
class _Read:
    """What is held of all images: see `Images`; `starts`: where those of each shard begin."""

    images: Images
    starts: NDArray[np.int64]
    has_why: NDArray[np.bool_]


def find(splits: Mapping[str, CountingOutput], distance: int, hashes_of: HashesOf) -> Found:
    """Return the duplicates of some outputs.

    Args:
        splits: the output of each split.
        distance: of the hashes of images that look alike, at most, in bits.
        hashes_of: returns the hashes of a shard.
    """
    outputs = [splits[name] for name in sorted(splits)]
    read = _read(outputs, hashes_of)
    members = grouped(read.images, distance)
    unseen = np.setdiff1d(np.flatnonzero(read.has_why), members.image)
    wanted = np.concatenate([members.image, unseen])
    rows = _rows(outputs, read.starts, wanted, hashes_of)
    in_groups = rows[: len(members.image)]
    kinds = _Kinds.of(members, read.images.split, [row["class"] for row in in_groups])
    for place, row in enumerate(in_groups):
        row.update(kinds.row(members, place))
    in_groups.sort(key=lambda row: row["group"])  # stable: else in the order of the images
    table = pa.Table.from_pylist([*in_groups, *rows[len(members.image) :]], DUPLICATES)
    exact = int(kinds.exact.sum())
    return Found(
        table,
        exact=exact,
        near=len(kinds.exact) - exact,
        between_splits=int((kinds.rank == BETWEEN_SPLITS).sum()),
        images=len(read.images.hash),
        without_hash=int(read.has_why.sum()),
    )


@dataclass(frozen=True)
class _Kinds:
    """What each group is; arrays of one length, by the number of a group in `Members`.

    Attributes:
        exact: bool, whether all its images have the same bytes.
        splits: bool, whether it has images of several splits.
        classes: bool, whether it has images of several classes.
        rank: int, `BETWEEN_SPLITS` and so on.
        number: int, from 1, on the page: the worst first.
    """

    exact: NDArray[np.bool_]
    splits: NDArray[np.bool_]
    classes: NDArray[np.bool_]
    rank: NDArray[np.int64]
    number: NDArray[np.int64]

    @staticmethod
    def of(members: Members, split: NDArray[np.int32], classes: list[str]) -> _Kinds:
        """Return what groups are, of the split of each image and the class of each member."""
        starts = np.flatnonzero(np.diff(members.group, prepend=-1))
        codes = np.unique(np.array(classes, np.str_), return_inverse=True)[1]
        splits = _differ(split[members.image], starts)
        several = _differ(codes, starts)
        rank = np.where(splits, BETWEEN_SPLITS, np.where(several, BETWEEN_CLASSES, WITHIN_A_CLASS))
        number = np.empty(len(starts), np.int64)
        number[np.argsort(rank, kind="stable")] = np.arange(1, len(starts) + 1)
        exact = ~_differ(members.same_bytes, starts)
        return _Kinds(exact, splits, several, rank.astype(np.int64), number)

    def row(self, members: Members, place: int) -> dict[str, Any]:
        """Return what the table says of a member."""
        group, distance = int(members.group[place]), int(members.distance[place])
        return {
            "group": int(self.number[group]),
            "kind": EXACT if self.exact[group] else NEAR,
            "between_splits": bool(self.splits[group]),
            "between_classes": bool(self.classes[group]),
            "distance": distance if distance >= 0 else None,
            "same_bytes": bool(members.same_bytes[place]),
        }


def _differ(values: NDArray[Any], starts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return of each run of values whether they differ."""
    if not len(starts):
        return np.empty(0, np.bool_)
    numbers = values.astype(np.int64)
    low, high = np.minimum.reduceat(numbers, starts), np.maximum.reduceat(numbers, starts)
    return np.asarray(low != high)


def _read(outputs: list[CountingOutput], hashes_of: HashesOf) -> _Read:
    content, numbers = [np.empty((0, 2), np.uint64)], [np.empty(0, np.uint64)]
    hashed, splits, has_why = (
        [np.empty(0, np.bool_)],
        [np.empty(0, np.int32)],
        [np.empty(0, np.bool_)],
    )
    starts = [0]
    for split, output in enumerate(outputs):
        for shard, of_facts, _ in read_shards(output, []):
            count = of_facts.num_rows
            text = "".join(of_facts["xxh3_128"].to_pylist())
            content.append(np.frombuffer(bytes.fromhex(text), ">u8").reshape(-1, 2))
            known = _fitting(hashes_of(output.split, shard), count)
            numbers.append(known["number"])
            hashed.append(known["hashed"])
            has_why.append(known["why"] != "")
            splits.append(np.full(count, split, np.int32))
            starts.append(starts[-1] + count)
    images = Images(
        np.concatenate(content).astype(np.uint64),
        np.concatenate(numbers),
        np.concatenate(hashed),
        np.concatenate(splits),
    )
    return _Read(images, np.array(starts), np.concatenate(has_why))


def _fitting(known: Mapping[str, NDArray[Any]], count: int) -> Mapping[str, NDArray[Any]]:
    """Return the hashes of a shard, or none of so many images: the facts were damaged meanwhile."""
    if len(known["number"]) == count:
        return known
    return {
        "number": np.zeros(count, np.uint64),
        "hashed": np.zeros(count, np.bool_),
        "why": np.full(count, "", np.object_),
    }


def _rows(
    outputs: list[CountingOutput],
    starts: NDArray[np.int64],
    wanted: NDArray[np.int64],
    hashes_of: HashesOf,
) -> list[dict[str, Any]]:
    """Return rows of `DUPLICATES` of some images, but for what their group says, in their order."""
    if not len(wanted):
        return []  # facts and plans need not be read again
    rows: dict[int, dict[str, Any]] = {}
    in_order, place = np.sort(wanted), 0
    for output, shard, of_facts, planned in _all_shards(outputs):
        start, end = (int(each) for each in starts[place : place + 2])
        place += 1
        within = in_order[slice(*np.searchsorted(in_order, [start, end]))]
        if not len(within):
            continue
        taken = pa.array(within - start)
        known = _fitting(hashes_of(output.split, shard), end - start)
        classes = _classes(planned.take(taken)) if planned is not None else [""] * len(within)
        for image, fact, of_class in zip(
            within.tolist(), of_facts.take(taken).to_pylist(), classes, strict=True
        ):
            rows[image] = {name: fact[name] for name in (*_OF_FACTS, "mode", "xxh3_128")}
            rows[image] |= {"kind": "", "split": output.split, "class": of_class}
            rows[image]["why"] = known["why"][image - start]
    return [rows[image] for image in wanted.tolist()]


def _all_shards(
    outputs: list[CountingOutput],
) -> Iterator[tuple[CountingOutput, int, pa.Table, pa.RecordBatch | None]]:
    for output in outputs:
        for shard, of_facts, planned in read_shards(output, []):
            yield output, shard, of_facts, planned


def _classes(planned: pa.RecordBatch) -> list[str]:
    """Return what each image is of."""
    columns = (
        planned.column(name).to_pylist()
        for name in ("class_index", "class_id", "class_text", "labels")
    )
    return [_class(*row) for row in zip(*columns, strict=True)]


def _class(index: int, class_id: str | None, text: str | None, labels: list[float] | None) -> str:
    if labels:
        return ", ".join(f"{label:g}" for label in labels)
    named = dict.fromkeys(filter(None, (class_id, text)))
    return " ".join(named) or (f"class {index}" if index >= 0 else "")
