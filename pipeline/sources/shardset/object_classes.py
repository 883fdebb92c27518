"""The table of the classes that objects in shards of any program are of.

A class has the number that stands in the shards; it is called by the id that stands beside that, or
by the words of its image where it is of its image's class, or else by its number. So the table is
in the order of the numbers, from 0, and those between them that no object has are called by their
numbers, too. Where all objects have names and none a number, these are numbered in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import class_table as classtable
from pipeline.catalog import objects
from pipeline.catalog.classes import NO_LABELS, LabelTable
from pipeline.sources.shardset.labelling import Labelled
from pipeline.storage import Location

Kind = tuple[int, str, str]
"""Number, id and words of a class, the last two perhaps empty; -1: an object whose class nobody
says."""

MOST_CLASSES: Final = 1 << 17
"""Classes of such a table, at most."""
_COLUMNS: Final = ("index", "class_id", "words")


def of_rows(rows: pa.Table) -> tuple[Kind, ...]:
    """Return the classes of the objects of some images, each once, sorted.

    Args:
        rows: columns of `catalog.SCHEMA`.
    """
    kinds = set[Kind]()
    for batch in rows.select(["class_index", "class_id", "class_text", "objects"]).to_batches():
        listed = batch.column("objects")
        parents, flat = pc.list_parent_indices(listed), listed.flatten()
        own, own_id = flat.field("class_index"), flat.field("class_id").fill_null("")
        of_image = batch.column("class_index").take(parents)
        texts = (batch.column(name).cast(pa.string()) for name in ("class_id", "class_text"))
        image_id, words = (text.take(parents) for text in texts)
        is_own = pc.greater_equal(own, 0)
        # Numbers of objects may be others than those of images: only one id for both says more.
        same = pc.and_(pc.equal(own_id, image_id), pc.not_equal(own_id, ""))
        columns = [
            pc.if_else(is_own, own, of_image),
            pc.if_else(is_own, own_id, image_id),
            pc.if_else(pc.or_(pc.invert(is_own), same), words, ""),
        ]
        table = pa.table(columns, _COLUMNS)
        found = table.group_by(list(_COLUMNS)).aggregate([]).to_pylist()
        kinds |= {(row["index"], row["class_id"], row["words"]) for row in found}
    return tuple(sorted(kinds))


def numbered(labelled: Mapping[str, Labelled]) -> dict[str, Labelled]:
    """Return images whose objects have the numbers of their names, if they have names alone.

    Args:
        labelled: of each split its images: all of them share the numbers.
    """
    flat = {name: _flat(each.rows) for name, each in labelled.items()}
    names = set[str]()
    for each in flat.values():
        ids = each.field("class_id")
        if ids.null_count or pc.any(pc.greater_equal(each.field("class_index"), 0)).as_py():
            return dict(labelled)
        names |= {*ids.unique().to_pylist()}
    order = pa.array(classtable.in_order(names), pa.string())
    return {
        name: replace(each, rows=_with_numbers(each.rows, flat[name], order))
        for name, each in labelled.items()
    }


def _flat(rows: pa.Table) -> pa.StructArray:
    """Return all objects of some images."""
    return pa.concat_arrays(rows["objects"].chunks or [objects.none(0)]).flatten()


def _with_numbers(rows: pa.Table, flat: pa.StructArray, order: pa.Array) -> pa.Table:
    columns = {field.name: flat.field(field.name) for field in objects.OBJECT}
    columns["class_index"] = pc.index_in(flat.field("class_id"), value_set=order)
    structs = pa.StructArray.from_arrays([*columns.values()], fields=list(objects.OBJECT))
    counts = pc.list_value_length(rows["objects"]).to_numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
    place = rows.schema.get_field_index("objects")
    listed = pa.ListArray.from_arrays(offsets, structs, type=objects.TYPE)
    return rows.set_column(place, rows.schema.field(place), listed)


def with_names(kinds: tuple[Kind, ...], names: Sequence[str]) -> tuple[Kind, ...]:
    """Return the classes of objects with all that the shards name, those without an object too.

    Args:
        kinds: those that objects are of; where there are none, names are of nothing.
        names: of the classes by their numbers, for those that no id stands beside.
    """
    known = {index for index, class_id, _ in kinds if class_id}
    more = {(index, name, "") for index, name in enumerate(names) if index not in known}
    return tuple(sorted({*kinds, *more})) if kinds else ()


def table(kinds: Iterable[Kind], path: Location) -> LabelTable:
    """Return the table of some classes; one without classes says why it has none.

    Args:
        kinds: of all splits; some may be there more than once.
        path: of the shards.
    """
    every = sorted({*kinds})
    if not every:
        return NO_LABELS
    if every[0][0] < 0:
        return _none(
            "the shards have objects whose class they do not say: write it into them, or leave it"
            " out"
        )
    count = every[-1][0] + 1
    if count > MOST_CLASSES:
        return _none(
            f"the shards have objects of the class {count - 1}, and a table has {MOST_CLASSES:,}"
            " classes at most: number them from 0 in what writes the shards, or leave it out"
        )
    ids, words = [""] * count, [""] * count
    for index, class_id, text in every:
        for known, one in ((ids, class_id), (words, text)):
            if one and known[index] not in {"", one}:
                return _none(
                    f"the shards call the class {index} of objects {known[index]} and {one}:"
                    " correct what has written them, or leave it out"
                )
            known[index] = known[index] or one
    called = [
        each or text or str(index)
        for index, (each, text) in enumerate(zip(ids, words, strict=True))
    ]
    return LabelTable(Path(str(path)), tuple(called), tuple(words), {}, of_objects=True)


def named_by(known: LabelTable, kinds: Iterable[Kind]) -> LabelTable:
    """Return the label table of images; one that refuses to name objects whose classes are others.

    Args:
        known: the table.
        kinds: the classes of objects.
    """
    ids = known.class_ids
    for index, class_id, _ in sorted(kinds):
        if index >= 0 and (index >= len(ids) or ids[index] != class_id):
            called = class_id or "by its number alone"
            return replace(
                known,
                lacking=f"the class {index} of objects in the output is called {called}, which is"
                " no class of its images: make it of what the output was made of, or leave it out",
            )
    return known


def _none(why: str) -> LabelTable:
    return LabelTable(Path(), (), (), {}, lacking=why)
