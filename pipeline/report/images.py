"""What a page says of the images of a split: figures of all of them, and which are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.catalog import objects
from pipeline.catalog.table import SCHEMA as PLANNED
from pipeline.finished.outputs import CountingOutput, Damage
from pipeline.finished.shard_rows import read_shards
from pipeline.report import chosen, tables
from pipeline.report.chosen import Candidates, Choice
from pipeline.report.figures import Figures

MOST_COPIED: Final = 32 << 20
"""Bytes of the chosen images of a split that are copied as they are stored, at most: of a larger
split the page says how each is written to a file."""


@dataclass(frozen=True)
class SplitImages:
    """What a page says of the images of a split.

    Attributes:
        images: how many were looked at.
        sheets: how many contact sheets there are to draw.
        chosen: the images that are shown, as of `tables.CHOSEN`.
        classes: as of `tables.CLASSES`.
        figures: as of `tables.FIGURES`.
        damage: what could not be read.
    """

    images: int
    sheets: int
    chosen: pa.Table
    classes: pa.Table
    figures: pa.Table
    damage: tuple[Damage, ...]

    @property
    def whole(self) -> bool:
        """Whether the chosen images are copied as they are stored, too."""
        return int(pc.sum(self.chosen["bytes"]).as_py() or 0) <= MOST_COPIED


@dataclass
class _Split:
    """What is gathered of a split, shard by shard."""

    figures: Figures = field(default_factory=Figures)
    class_index: list[NDArray[np.int32]] = field(default_factory=list)
    hashes: list[NDArray[np.uint64]] = field(default_factory=list)
    repaired: list[NDArray[np.bool_]] = field(default_factory=list)
    names: dict[int, tuple[str, str]] = field(default_factory=dict)
    sums: dict[int, list[int]] = field(default_factory=dict)
    damage: list[Damage] = field(default_factory=list)


def read(output: CountingOutput, progress: Callable[[int], None] = lambda _: None) -> SplitImages:
    """Read facts and plan of an output, and choose the images that are shown.

    What of them is damaged is said, and the rest is read.

    Args:
        output: the output, with a manifest.
        progress: told how many images were read.
    """
    split = _Split()
    if output.plan is None:
        what = "the plan was not kept: classes and boxes are not known"
        split.damage.append(Damage(f"{output.split}: plan", what))
    images = 0
    for _, of_facts, planned in read_shards(output, split.damage):
        _gather(split, of_facts, planned)
        images += of_facts.num_rows
        progress(images)
    classes = _classes(split)
    indexes = classes["class_index"].to_numpy().astype(np.int32)
    choice = chosen.choose(_candidates(split), indexes)
    rows = _rows(output, split, choice)
    sheets = int(choice.sheet.max()) + 1 if len(choice.sheet) else 0
    return SplitImages(images, sheets, rows, classes, split.figures.table(), tuple(split.damage))


def _gather(split: _Split, of_facts: pa.Table, planned: pa.RecordBatch | None) -> None:
    """Take in the images of a shard."""
    count = of_facts.num_rows
    if planned is None:
        planned = _unplanned(count)
    index = planned.column("class_index").to_numpy(zero_copy_only=False).astype(np.int32)
    repaired = of_facts["repair"].is_valid().to_numpy(zero_copy_only=False)
    boxes = pc.list_value_length(planned.column("objects")).to_numpy(zero_copy_only=False)
    split.class_index.append(index)
    split.hashes.append(chosen.hash_numbers(of_facts["xxh3_128"]))
    split.repaired.append(repaired)
    split.figures.add(of_facts, planned.column("objects"), boxes)
    sizes = of_facts["bytes"].to_numpy()
    values, first, inverse = np.unique(index, return_index=True, return_inverse=True)
    columns = [np.ones(count, np.int64), sizes, boxes, repaired]
    sums = [np.bincount(inverse, column, len(values)).astype(np.int64) for column in columns]
    for place, value in enumerate(values.tolist()):
        if value not in split.names:
            row = int(first[place])
            texts = (planned.column(name)[row].as_py() or "" for name in ("class_id", "class_text"))
            split.names[value] = tuple(texts)  # type: ignore[assignment]
        known = split.sums.setdefault(value, [0] * len(columns))
        for number, each in enumerate(sums):
            known[number] += int(each[place])


def _unplanned(count: int) -> pa.RecordBatch:
    """Return rows of images of which nothing is known but their facts."""
    columns = []
    for each in PLANNED:
        if each.name == "objects":
            columns.append(objects.none(count))
        elif each.name == "class_index":
            columns.append(pa.array(np.full(count, -1, np.int32)))
        else:
            columns.append(pa.nulls(count, each.type))
    return pa.RecordBatch.from_arrays(columns, schema=PLANNED)


def _classes(split: _Split) -> pa.Table:
    indexes = sorted(split.names)
    columns: list[list[Any]] = [
        indexes,
        *([split.names[index][part] for index in indexes] for part in range(2)),
        *([split.sums[index][part] for index in indexes] for part in range(4)),
    ]
    arrays = [
        pa.array(column, each.type) for column, each in zip(columns, tables.CLASSES, strict=True)
    ]
    return pa.table(arrays, tables.CLASSES)


def _candidates(split: _Split) -> Candidates:
    counts = [len(each) for each in split.class_index]
    rows = [np.arange(count, dtype=np.int32) for count in counts]
    return Candidates(
        np.concatenate([np.empty(0, np.int32), *split.class_index]),
        np.concatenate([np.empty(0, np.uint64), *split.hashes]),
        np.repeat(np.arange(len(counts), dtype=np.int32), counts),
        np.concatenate([np.empty(0, np.int32), *rows]),
        np.concatenate([np.empty(0, np.bool_), *split.repaired]),
    )


def _rows(output: CountingOutput, split: _Split, choice: Choice) -> pa.Table:
    """Return the rows of the chosen images, sheet by sheet: the tables are read once more."""
    starts = np.cumsum([0, *(len(each) for each in split.class_index)])
    parts, places = [tables.CHOSEN.empty_table()], list[NDArray[np.int64]]()
    for shard, of_facts, planned in read_shards(output, []):
        within = (choice.place >= starts[shard]) & (choice.place < starts[shard + 1])
        numbers = np.flatnonzero(within)
        if not len(numbers):
            continue
        rows = pa.array(choice.place[numbers] - starts[shard])
        known = planned if planned is not None else _unplanned(of_facts.num_rows)
        parts.append(_chosen(of_facts.take(rows), known.take(rows), choice, numbers))
        places.append(numbers)
    order = np.argsort(np.concatenate([np.empty(0, np.int64), *places]))
    return pa.concat_tables(parts).take(pa.array(order)).combine_chunks()


def _chosen(
    of_facts: pa.Table, planned: pa.RecordBatch, choice: Choice, numbers: NDArray[np.int64]
) -> pa.Table:
    empty = pa.array([[]] * len(numbers), pa.list_(pa.float32()))
    labels = pc.coalesce(planned.column("labels"), empty)
    columns = {
        "sheet": pa.array(choice.sheet[numbers]),
        "cell": pa.array(choice.cell[numbers]),
        "class_index": planned.column("class_index"),
        "labels": labels,
        "objects": planned.column("objects"),
        "mode": of_facts["mode"].cast(pa.string()),
        "repair": pc.fill_null(of_facts["repair"].cast(pa.string()), ""),
    }
    arrays = [columns.get(each.name) for each in tables.CHOSEN]
    named = [
        array if array is not None else of_facts[each.name]
        for array, each in zip(arrays, tables.CHOSEN, strict=True)
    ]
    return pa.table(named, schema=tables.CHOSEN)
