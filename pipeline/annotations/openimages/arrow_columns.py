"""The columns of Open Images' CSV files in Arrow's tables: their types, and checks of many values.

What each check asks is what `columns.Form.accepts` asks of one text, of all values of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.annotations.openimages import columns
from pipeline.annotations.openimages.columns import Form, Kind, Spelling

Check = Callable[[pa.Array], bool]
"""Says of values of a column, none of them null, whether all are of its form."""

_HEX_DIGITS: Final = b"0123456789abcdef"
_ID_DIGITS: Final = 16
_LABEL: Final = "^/[a-z]+/[0-9A-Za-z_]+$"


def schema(kind: Kind) -> pa.Schema:
    """Return the columns of the tables of a kind of file."""
    return pa.schema([(each.name, pa.type_for_alias(each.form.type)) for each in kind.columns])


def holds(kind: Kind, rows: pa.Table) -> bool:
    """Whether all values of some rows are of the form of their column, and in order."""
    spelled = kind.spelled[0] if kind.spelled is not None else ""
    for column in kind.columns:
        values = rows[column.name].combine_chunks()
        if values.null_count:
            if not column.form.optional:
                return False
            values = values.drop_null()
        # The others of its row say how this one is spelled, and they are of their forms.
        if column.name != spelled and not _CHECKS[column.form](values):
            return False
    if kind.spelled is not None:
        expected = _SPELLINGS[kind.spelled[1]](rows)
        if not pc.all(pc.equal(rows[spelled], expected), min_count=0).as_py():
            return False
    return all(
        bool((_numbers(rows[low]) <= _numbers(rows[high])).all()) for low, high in kind.pairs
    )


def _between(least: float, most: float) -> Check:
    def are_between(values: pa.Array) -> bool:
        numbers = _numbers(values)
        return bool(((numbers >= least) & (numbers <= most)).all())  # NaN is not

    return are_between


def _are_ids(values: pa.Array) -> bool:
    return bool((_lengths(values) == _ID_DIGITS).all()) and _are_hex_digits(values)


def _are_hex(values: pa.Array) -> bool:
    return bool((_lengths(values) > 0).all()) and _are_hex_digits(values)


def _are_labels(values: pa.Array) -> bool:
    return bool(pc.all(pc.match_substring_regex(pc.unique(values), _LABEL), min_count=0).as_py())


def _are_mask_paths(values: pa.Array) -> bool:
    return all(columns.MASK_PATH.accepts(text) for text in values.to_pylist())


def _are_anything(values: pa.Array) -> bool:
    del values
    return True


def _are_hex_digits(values: pa.Array) -> bool:
    bounds = _bounds(values)
    if len(bounds) == 1 or bounds[0] == bounds[-1]:
        return True
    characters = memoryview(values.buffers()[2])[int(bounds[0]) : int(bounds[-1])]
    return not bytes(characters).translate(None, _HEX_DIGITS)


def _lengths(values: pa.Array) -> NDArray[np.int32]:
    return np.diff(_bounds(values))


def _bounds(values: pa.Array) -> NDArray[np.int32]:
    """Return (n + 1,): where each text begins among the characters of all, and the last ends."""
    if not len(values):
        return np.zeros(1, np.int32)
    offsets = np.frombuffer(values.buffers()[1], np.int32)
    return offsets[values.offset : values.offset + len(values) + 1]


def _numbers(values: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    numbers: NDArray[Any] = values.to_numpy()
    return numbers


def _mask_paths(rows: pa.Table) -> pa.Array:
    labels = pc.replace_substring(rows["label"], "/", "")
    ends = pc.binary_join_element_wise(rows["box_id"], "png", ".")
    return pc.binary_join_element_wise(rows["image_id"], labels, ends, "_")


_CHECKS: Final[Mapping[Form, Check]] = {
    columns.ID: _are_ids,
    columns.LABEL: _are_labels,
    columns.TEXT: _are_anything,
    columns.MASK_PATH: _are_mask_paths,
    columns.HEX: _are_hex,
    columns.FRACTION: _between(0, 1),
    columns.MAYBE: _between(0, 1),
    columns.FLAG: _between(-1, 1),
    columns.ROTATION: _between(-360, 360),
}
_SPELLINGS: Final[Mapping[Spelling, Callable[[pa.Table], pa.Array]]] = {
    columns.mask_path: _mask_paths
}
