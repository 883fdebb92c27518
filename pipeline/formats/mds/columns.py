"""The columns of MDS samples, and how each value is encoded; all numbers little-endian.

=============== ================= ==================================================================
column          encoding
=============== ================= ==================================================================
box_class_ids   json              ids of the classes of objects, "" where one names none [1]_
box_flags       ndarray:uint8     (objects,) bits of `catalog.objects` [1]_
box_labels      ndarray:int64     (objects,) class of each, else that of its image [2]_
boxes           ndarray:float32   (objects, 4) xmin, ymin, xmax, ymax as fractions [2]_
height          int32             pixels
image           jpeg              the image as it is stored; a PNG is decoded as well
key             str               its key
label           int               class index and label offset; -1: unlabelled
labels          ndarray:float32   (labels,) where a list may say several; else of none
masks           list[png]         of each object, as large as the image; none, or of all [1]_
width           int32             pixels
=============== ================= ==================================================================

.. [1] Only where objects are described, see `ShardFormat.describes_objects`.
.. [2] Only where there are boxes.

Source: mosaicml/streaming, streaming/base/format/mds/encodings.py.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.formats.base import RecordOptions
from pipeline.formats.columns import check_columns, described
from pipeline.formats.record import ImageRecord, object_labels, stored_label

IMAGE: Final = "image"
MASKS: Final = "masks"
_SIZES: Final = {"int": 8, "int32": 4}
"""Bytes of the encodings that always have as many; others have their size before the sample."""
_BOXES: Final = "boxes"
_PNGS: Final = "list[png]"
_PACKED: Final = {"int": struct.Struct("<q"), "int32": struct.Struct("<i")}
_LENGTH: Final = struct.Struct("<I")
_SHAPES: Final = ("<u1", "<u2", "<u4")
_SAID: Final[Mapping[str, Callable[[ImageRecord, RecordOptions], Any]]] = {
    "box_class_ids": lambda record, _: list(record.box_ids or ("",) * len(record.boxes)),
    "box_flags": lambda record, _: list(record.flags or (0,) * len(record.boxes)),
    "box_labels": lambda record, options: object_labels(record, options.label_offset),
    _BOXES: lambda record, _: np.array(record.boxes, "<f4").reshape(-1, 4).tolist(),
    "height": lambda record, _: record.height,
    "key": lambda record, _: record.key,
    "label": lambda record, options: stored_label(record.class_index, options.label_offset),
    "labels": lambda record, _: np.array(record.labels, "<f4").tolist(),
    MASKS: lambda record, _: list(record.masks),
    "width": lambda record, _: record.width,
}
"""What each column has of an image."""


@dataclass(frozen=True)
class Columns:
    """The columns of a shard, in the order in which samples have them: that of their names."""

    encodings: Mapping[str, str]

    @property
    def sizes(self) -> list[int | None]:
        """Bytes of each, if these are always as many."""
        return [_SIZES.get(encoding) for encoding in self.encodings.values()]

    def described(self) -> dict[str, object]:
        """Return what index and shards say of them."""
        return {
            "column_encodings": list(self.encodings.values()),
            "column_names": list(self.encodings),
            "column_sizes": self.sizes,
        }

    def wrap(self, values: Mapping[str, bytes], size: int) -> tuple[bytes, bytes]:
        """Return what stands before and after the image in a sample.

        Args:
            values: of all other columns, encoded.
            size: bytes of the image.
        """
        names, (before, after) = self._measured, self._around
        lengths = [size if name == IMAGE else len(values[name]) for name in names]
        opening = [struct.pack(f"<{len(names)}I", *lengths), *map(values.__getitem__, before)]
        return b"".join(opening), b"".join(map(values.__getitem__, after))

    @cached_property
    def _measured(self) -> tuple[str, ...]:
        """Those whose sizes stand before each sample."""
        return tuple(name for name, encoding in self.encodings.items() if encoding not in _SIZES)

    @cached_property
    def _around(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Those before the image, and those behind it."""
        names = tuple(self.encodings)
        place = names.index(IMAGE)
        return names[:place], names[place + 1 :]

    def split(self, sample: memoryview) -> dict[str, memoryview]:
        """Return the encoded value of each column.

        Raises:
            ValueError: the sample is not as long as it says.
        """
        at = 4 * sum(encoding not in _SIZES for encoding in self.encodings.values())
        lengths = iter(struct.unpack(f"<{at // 4}I", sample[:at]))
        values = {}
        for name, encoding in self.encodings.items():
            size = _SIZES.get(encoding) or next(lengths)
            values[name] = sample[at : at + size]
            at += size
        if at != len(sample):
            raise ValueError(f"columns of {at} bytes in a sample of {len(sample)}")
        return values


def columns(options: RecordOptions) -> Columns:
    """Return the columns of records of these options."""
    encodings = {"height": "int32", "image": "jpeg", "key": "str", "label": "int", "width": "int32"}
    if options.vectors:
        encodings["labels"] = "ndarray:float32"
    if options.boxes:
        encodings |= {"box_labels": "ndarray:int64", _BOXES: "ndarray:float32"}
    if described(options):
        encodings |= {"box_class_ids": "json", "box_flags": "ndarray:uint8", MASKS: _PNGS}
    return Columns(dict(sorted(encodings.items())))


def said(record: ImageRecord, options: RecordOptions, of: Columns) -> dict[str, Any]:
    """Return what each column but the image's has of an image, as `decoded` gives it.

    Args:
        record: the image.
        options: of the records.
        of: their columns.

    Raises:
        BadAnnotation: there is no column for what is said of the image.
    """
    check_columns(record, options)
    return {name: _SAID[name](record, options) for name in of.encodings if name != IMAGE}


def encoded(name: str, encoding: str, value: Any) -> bytes:
    """Return a value of a column as its encoding has it."""
    if encoding == "str":
        return bytes(value.encode())
    if encoding == "json":
        return json.dumps(value).encode()
    if encoding in _PACKED:
        return _PACKED[encoding].pack(value)
    if encoding == _PNGS:
        sizes = struct.pack(f"<{len(value)}I", *map(len, value))
        return bytes(_LENGTH.size) + _LENGTH.pack(len(value)) + sizes + b"".join(value)
    shape = (-1, 4) if name == _BOXES else (-1,)
    return _array(np.array(value, _dtype(encoding)).reshape(shape))


def decoded(encoding: str, data: memoryview) -> Any:
    """Return the value that `encoded` has encoded.

    Raises:
        ValueError: it is none, in whatever way.
        struct.error: likewise.
    """
    if encoding == "str":
        return bytes(data).decode()
    if encoding == "json":
        return json.loads(bytes(data))
    if encoding in _PACKED:
        return _PACKED[encoding].unpack(data)[0]
    if encoding == _PNGS:
        return _pngs(data)
    head = data[0] if len(data) else 0
    dimensions, kind = head >> 2, np.dtype(_SHAPES[min(head & 3, len(_SHAPES) - 1)])
    end = 1 + dimensions * kind.itemsize
    shape = np.frombuffer(data[1:end], kind)
    return np.frombuffer(data[end:], _dtype(encoding)).reshape(shape).tolist()


def _array(values: NDArray[Any]) -> bytes:
    """Return an array: a byte of (dimensions << 2 | kind of the shape), its shape, its values."""
    most = max(values.shape)
    kind = next(n for n, dtype in enumerate(_SHAPES) if most <= np.iinfo(dtype).max)
    shape = np.array(values.shape, _SHAPES[kind]).tobytes()
    return bytes([values.ndim << 2 | kind]) + shape + values.tobytes()


def _dtype(encoding: str) -> np.dtype[Any]:
    return np.dtype(encoding.removeprefix("ndarray:")).newbyteorder("<")


def _pngs(data: memoryview) -> list[bytes]:
    (count,) = _LENGTH.unpack(data[4:8])
    at = 8 + 4 * count
    sizes = struct.unpack(f"<{count}I", data[8:at])
    values = []
    for size in sizes:
        values.append(bytes(data[at : at + size]))
        at += size
    if at != len(data):
        raise ValueError(f"masks of {at} bytes in {len(data)}")
    return values
