"""The boxes of a split by class and name of their image: what its catalog is joined with.

An Arrow stream, a row for every annotation, those without a box among them, in C order of the
keys. It says what bboxes.csv has no room for: the class folder, and what the objects are called.
"""

from __future__ import annotations

import io
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import storage
from pipeline.annotations.decimals import as_float32
from pipeline.annotations.gathering import Boxes
from pipeline.storage import Location
from pipeline.storage import table_bounds as tablebounds

SCHEMA = pa.schema(
    [
        # <class>/<name>, or the name alone if it is of no class in particular; without suffix
        ("key", pa.string()),
        # xmin, ymin, xmax, ymax of each object one after another, with the decimals of bboxes.csv
        ("boxes", pa.list_(pa.float32())),
        # of each of these objects; empty where all are named after the class of the key
        ("names", pa.list_(pa.string())),
    ]
)
_AT_ONCE = 1 << 14  # rows
_NOTHING = pa.table([[""], [[]], [[]]], SCHEMA)


@dataclass(frozen=True, eq=False)
class BoxTable:
    """Every annotation of a split.

    Attributes:
        keys: (n,) as in `SCHEMA`, each once, in C order.
        boxes: (n + 1,) lists of float32, the last one empty.
        names: (n + 1,) lists of string, the last one empty.
    """

    keys: pa.StringArray
    boxes: pa.ListArray
    names: pa.ListArray

    def __len__(self) -> int:
        return len(self.keys)

    def find(self, keys: pa.StringArray) -> NDArray[np.int64]:
        """Return (n,): where the annotation of each key is; -1 where there is none."""
        extremes = pc.min_max(keys)
        low, high = (extremes[side].as_py() or "" for side in ("min", "max"))
        start = bisect_left(self.keys, low.encode(), key=_encoded)
        # To look among few takes little memory.
        near = self.keys[start : bisect_right(self.keys, high.encode(), key=_encoded)]
        places = pc.fill_null(pc.index_in(keys, near), -1 - start).to_numpy(zero_copy_only=False)
        numbers: NDArray[np.int64] = places.astype(np.int64) + start
        return numbers


def pieces(boxes: Boxes) -> Iterator[bytes]:
    """Yield the file, some ten thousand rows at a time."""
    annotated = boxes.annotated
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        for start in range(0, len(annotated.keys), _AT_ONCE):
            keys = annotated.keys[start : start + _AT_ONCE]
            counts = annotated.counts[start : start + len(keys)]
            ends = np.cumsum(counts)
            rows = np.repeat(annotated.firsts[start : start + len(keys)] - ends + counts, counts)
            corners = as_float32(boxes.corners[rows + np.arange(len(rows))])
            offsets = pa.array(np.append(0, 4 * ends), pa.int32())
            names = [annotated.names.get(start + place, ()) for place in range(len(keys))]
            lists = pa.ListArray.from_arrays(offsets, pa.array(corners.ravel()))
            writer.write_batch(
                pa.record_batch([keys, lists, pa.array(names, SCHEMA.field("names").type)], SCHEMA)
            )
            yield _taken(sink)
    yield _taken(sink)


def read(path: Location) -> BoxTable:
    """Read what `pieces` gave.

    Raises:
        OutputDamaged: it is not that.
        Vanished: there is no such file.
    """
    with storage.open_arrow(path) as file:
        tablebounds.check_stream(file)
        table = pa.ipc.open_stream(file).read_all()
        storage.check_table(table, SCHEMA)
        whole = pa.concat_tables([table, _NOTHING]).combine_chunks()
    keys, boxes, names = (column.combine_chunks() for column in whole.columns)
    return BoxTable(keys[:-1], boxes, names)


def _encoded(key: pa.StringScalar) -> bytes:
    return str(key.as_py()).encode()


def _taken(sink: io.BytesIO) -> bytes:
    """Return what was written, and forget it: a stream does not look back."""
    content = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return content
