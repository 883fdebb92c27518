"""Image records of MXNet: a header with id and labels, and the image.

All numbers are little-endian; ``flag`` is how many labels follow the header, 0 being none::

    u32 flag | f32 label | u64 id | u64 id2, always 0 | flag x f32 labels | image

Sources: apache/mxnet 1.9.1, python/mxnet/recordio.py (`pack`) and src/io/image_recordio.h.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pipeline.catalog.objects import Box
from pipeline.errors import BadAnnotation, OutputDamaged
from pipeline.storage import Buffer

Labels: TypeAlias = Sequence[float] | NDArray[np.float32]

_HEADER: Final = struct.Struct("<IfQQ")
HEADER_BYTES: Final = _HEADER.size
"""Bytes of a payload in front of its labels, or of its image where it has one label."""

_FLOAT32: Final = np.dtype("<f4")
_LAST_ID: Final = 2**64 - 1
_EXACT: Final = 2.0**24  # beyond it float32 has no longer every whole number
_HEADER_WIDTH, _OBJECT_WIDTH = 2, 5  # labels that MXNet asks for
_REMEDY: Final = "correct the annotations of this image, or leave it out"
_ANEW: Final = "remove the file and run the shardmill command again: it is made anew"


class LabelForm(Enum):
    """How labels are stored; every reader of MXNet takes each of these."""

    PYTHON = "im2rec.py"
    """One label in the header; of more, 0 in the header and all of them behind it."""

    CPP = "im2rec.cc"
    """One label in the header; of more, the first in the header and all of them behind it."""

    VECTOR = "vector"
    """0 in the header and the labels behind it, though there be one: `pack` given an array."""


@dataclass(frozen=True, slots=True, eq=False)
class IndexedRecord:
    """What is written for one image.

    Attributes:
        id: unique in the shard, 0 to 2**64 - 1.
        labels: one or more; stored as float32.
        encoded: the image as it is stored; may be a view that the caller reuses.
        path: what an image list names the image.
    """

    id: int
    labels: Labels
    encoded: Buffer
    path: str


@dataclass(frozen=True, slots=True)
class ParsedRecord:
    """What a record says of its image.

    Attributes:
        flag: how many labels follow the header.
        label: the one in the header.
        id: of the image.
        id2: 0, unless another program wrote it.
        labels: those that follow the header; where there are none, the one in it.
        encoded: the image: a view of the parsed buffer, not a copy.
    """

    flag: int
    label: float
    id: int
    id2: int
    labels: tuple[float, ...]
    encoded: memoryview


def encode_header(record: IndexedRecord, form: LabelForm = LabelForm.PYTHON) -> bytes:
    """Return a record's payload up to the image: 24 bytes, and 4 for each label behind them.

    Raises:
        BadAnnotation: the id does not fit; there is no label; see `as_float32`.
    """
    if not 0 <= record.id <= _LAST_ID:
        raise _refused(
            record, "not the id of an image", f"0 to {_LAST_ID}", str(record.id), "give it another"
        )
    labels = record.labels
    if form is not LabelForm.VECTOR and is_one_small(labels):
        return _HEADER.pack(0, labels[0], record.id, 0)
    try:
        values = as_float32(labels)
    except BadAnnotation as error:
        raise _refused(record, error.what, error.expected, error.found, _REMEDY) from None
    if len(values) == 1 and form is not LabelForm.VECTOR:
        return _HEADER.pack(0, values[0], record.id, 0)
    label = values[0] if form is LabelForm.CPP else 0.0
    return _HEADER.pack(len(values), label, record.id, 0) + values.tobytes()


def parse_header(data: Buffer, *, file: str | None = None) -> ParsedRecord:
    """Read the payload of a record.

    Args:
        data: the payload, see `recordio.read_records`.
        file: what an error shall name as the file.

    Raises:
        OutputDamaged: it is shorter than its header, or than the labels that this promises.
    """
    view = memoryview(data).cast("B")
    if len(view) < _HEADER.size:
        raise _too_short(file, f"a header of {_HEADER.size} bytes", view)
    flag, label, key, id2 = _HEADER.unpack_from(view)
    start = _HEADER.size + flag * _FLOAT32.itemsize
    if len(view) < start:
        raise _too_short(file, f"{flag} labels, {start} bytes with the header", view)
    labels = np.frombuffer(view, _FLOAT32, flag, _HEADER.size).tolist() if flag else [label]
    return ParsedRecord(flag, label, key, id2, tuple(labels), view[start:])


def is_one_small(labels: Labels) -> bool:
    """Whether there is one label, up to 2**24 or down to -2**24: `as_float32` never refuses it."""
    return len(labels) == 1 and -_EXACT <= labels[0] <= _EXACT


def as_float32(labels: Labels) -> NDArray[np.float32]:
    """Return labels as they are stored, (n,) float32 in little-endian order.

    Rounding is for fractions: of a number beyond 2**24, a class or an instance, it would make
    another one.

    Raises:
        BadAnnotation: there is none, or they are no vector; one is not finite or too large; one
            beyond 2**24 is none that float32 has.
    """
    try:
        with np.errstate(over="ignore"):
            values = np.asarray(labels, _FLOAT32)
    except OverflowError:  # a whole number that is none of float64 either
        raise _inexact("one beyond 2**1024") from None
    if values.ndim != 1 or not len(values):
        raise _refused(None, "not the labels of an image", "one or more", f"shape {values.shape}")
    suspects = np.flatnonzero(~(np.abs(values) < _EXACT))
    for place in suspects.tolist():
        given, stored = labels[place], float(values[place])
        if given != stored or not np.isfinite(stored):
            raise _inexact(f"{given} as label {place + 1}")
    return values


def detection_labels(
    classes: Sequence[int],
    boxes: Sequence[Box],
    *,
    header: Sequence[float] = (),
    extras: Sequence[Sequence[float]] = (),
) -> NDArray[np.float32]:
    """Return the labels of an image for object detection.

    They are, A and B being how many labels the header and each object take::

        A B [header ...] (class xmin ymin xmax ymax [extra ...]) for each object

    The form is that of MXNet's `ImageDetRecordIter` and `ImageDetIter`.

    Args:
        classes: 0-based class of each object.
        boxes: of each object, as fractions of width and height.
        header: what else the header shall say; customarily width and height in pixels.
        extras: of each object, what else is known of it, as many numbers for each; or nothing.

    Returns:
        (A + B x objects,) float32, for `IndexedRecord.labels`.

    Raises:
        BadAnnotation: there is no object, which cannot be expressed; a class is negative; a box
            has no area in float32, or leaves the image; objects have different numbers of
            extras; a number is none that float32 has, see `as_float32`.
    """
    if not boxes:
        raise _refused(None, "an image without objects", "one or more", "none")
    more = extras or [()] * len(boxes)
    rows = [(kind, *box, *rest) for kind, box, rest in zip(classes, boxes, more, strict=True)]
    width = _OBJECT_WIDTH + len(more[0])
    for number, row in enumerate(rows, start=1):
        _check_object(number, row, width)
    flat = [_HEADER_WIDTH + len(header), width, *header]
    return as_float32([*flat, *(value for row in rows for value in row)])


def _check_object(number: int, row: Sequence[float], width: int) -> None:
    kind, *corners = row[:_OBJECT_WIDTH]
    xmin, ymin, xmax, ymax = np.asarray(corners, _FLOAT32).tolist()
    if len(row) != width:
        expected, found = f"{width - _OBJECT_WIDTH} extras", str(len(row) - _OBJECT_WIDTH)
    elif not (kind >= 0 and float(kind).is_integer()):
        expected, found = "a class from 0", str(kind)
    elif not (0 <= xmin < xmax <= 1 and 0 <= ymin < ymax <= 1):
        expected, found = "0 <= xmin < xmax <= 1, and so for y", str(tuple(corners))
    else:
        return
    raise _refused(None, f"object {number} cannot be a label", expected, found)


def _refused(
    record: IndexedRecord | None,
    what: str,
    expected: str | None,
    found: str | None,
    remedy: str = _REMEDY,
) -> BadAnnotation:
    file, place = (record.path, f"id {record.id}") if record else (None, None)
    return BadAnnotation(
        what, file=file, place=place, expected=expected, found=found, remedy=remedy
    )


def _inexact(found: str) -> BadAnnotation:
    expected = "finite numbers, up to 2**24 or such as float32 has"
    return _refused(None, "a label that float32 cannot hold", expected, found)


def _too_short(file: str | None, expected: str, view: memoryview) -> OutputDamaged:
    return OutputDamaged(
        "not the record of an image",
        file=file,
        expected=expected,
        found=f"{len(view)} bytes",
        remedy=_ANEW,
    )
