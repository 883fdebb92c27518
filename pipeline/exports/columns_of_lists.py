"""The columns that an image list, or a folder of images, gives its exports.

Columns, null where nothing is known::

    file_name    string         path of the image, as the list has it, or below the folder
    id           uint64         of the list, or its place in the sorted walk of the folder
    line         int32          in the list, from 1; null of a folder
    labels       list<float>    all labels, as the list has them
    class_index  int64          the label, where there is one and it is a class
    class_text   string         the class folder; null of a list, which names no class

`class_index` is a ``ClassLabel`` of Hugging Face's `datasets` where the classes have names.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS: Final = (
    ("file_name", pa.string()),
    ("id", pa.uint64()),
    ("line", pa.int32()),
    ("labels", pa.list_(pa.float32())),
    ("class_index", pa.int64()),
    ("class_text", pa.string()),
)
CLASS: Final = "class_index"
"""The column of classes."""


def of_catalog(rows: pa.Table) -> dict[str, pa.ChunkedArray | pa.Array]:
    """Return the columns that a part of a catalog gives."""
    texts = rows["class_text"].cast(pa.string())
    return {
        "file_name": rows["source"],
        "id": rows["id"],
        "line": _but(rows["line"], 0),
        "labels": _labels(rows),
        "class_index": _but(rows["class_index"], -1),
        "class_text": _but(texts, ""),
    }


def _but(column: pa.ChunkedArray, nothing: object) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(column, nothing), None, column)


def _labels(rows: pa.Table) -> pa.ListArray:
    """Return all labels of each image: where the catalog has none, the class is the only one."""
    kept, classes = rows["labels"].combine_chunks(), rows["class_index"].to_numpy()
    counts = pc.list_value_length(kept).to_numpy()
    alone = counts == 0
    ends = np.cumsum(np.where(alone, 1, counts), dtype=np.int32)
    values = np.empty(ends[-1] if len(ends) else 0, np.float32)
    of_class = np.repeat(alone, np.where(alone, 1, counts))
    values[of_class], values[~of_class] = classes[alone], kept.flatten().to_numpy()
    return pa.ListArray.from_arrays(np.append(np.int32(0), ends), pa.array(values))
