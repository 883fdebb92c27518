"""Catalogs and plans of earlier versions, read as those of this one.

Nothing is made of such a table any more, but what was made of it is still verified by it, and trees
are cleaned by the names in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import objects

Rows = TypeVar("Rows", pa.Table, pa.RecordBatch)

NAMES = {"class_id": "synset", "class_text": "text"}
"""What columns were called in version 4 and before."""


def stored_names(columns: Iterable[str]) -> dict[str, str]:
    """Return what a table of such columns calls those that have another name now, and the rest."""
    names = list(columns)
    then = {was: now for now, was in NAMES.items() if was in names}
    return {then.get(name, name): name for name in names}


def as_now(rows: Rows, schema: pa.Schema) -> Rows:
    """Return rows with the columns of this version; those of this version as they are.

    Raises:
        pa.ArrowInvalid: they are of an earlier version, and a value cannot be read.
    """
    if "synset" not in rows.schema.names:
        return rows
    rows.validate(full=True)
    columns = {name: rows.column(NAMES.get(name, name)) for name in _kept(rows, schema)}
    columns["filename"] = _filenames(rows)
    columns["objects"] = _objects(rows)
    return type(rows).from_arrays([columns[name] for name in schema.names], names=schema.names)


def _kept(rows: pa.Table | pa.RecordBatch, schema: pa.Schema) -> list[str]:
    return [name for name in schema.names if NAMES.get(name, name) in rows.schema.names]


def _filenames(rows: pa.Table | pa.RecordBatch) -> pa.Array:
    """Return the names of the files: of a list, that of the source; else the end of the key."""
    listed = pc.greater(rows.column("line"), 0)
    paths = pc.if_else(listed, rows.column("source"), rows.column("key"))
    return pc.replace_substring_regex(paths, "(?s)^.*/", "")


def _objects(rows: pa.Table | pa.RecordBatch) -> pa.ListArray:
    """Return the objects, whose corners stood in one list, and whose classes in another, if at all.

    Of objects of the class of their image, no class was listed.
    """
    boxes, index = _whole(rows.column("boxes")), _whole(rows.column("class_index")).to_numpy()
    counts = pc.list_value_length(boxes).to_numpy() // 4
    classes = np.repeat(index, counts)
    ids = _whole(rows.column("synset")).cast(pa.string())
    ids = ids.take(pa.array(np.repeat(np.arange(rows.num_rows), counts)))
    if "box_classes" in rows.schema.names:
        own = _whole(rows.column("box_classes"))
        classes[np.repeat(pc.list_value_length(own).to_numpy() > 0, counts)] = own.flatten()
        another = classes != np.repeat(index, counts)  # of which class, only the label table knows
        ids = pc.if_else(pa.array(another), pa.scalar(None, pa.string()), ids)
    offsets = np.append(0, np.cumsum(counts)).astype(np.int32)
    corners = boxes.flatten().to_numpy().reshape(-1, 4)
    return objects.listed(offsets, corners, classes, ids)


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    return pa.concat_arrays(column.unify_dictionaries().chunks or [pa.array([], column.type)])
