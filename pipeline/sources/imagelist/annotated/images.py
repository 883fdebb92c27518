"""Images with boxes, as annotations say them, and the table that is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from pipeline.catalog import class_table as classtable
from pipeline.catalog import objects
from pipeline.catalog.class_table import ClassTable, FolderClasses
from pipeline.catalog.objects import Box
from pipeline.sources.imagelist.lst import SCHEMA
from pipeline.sources.imagelist.text_blocks import ROWS
from pipeline.storage import Location

BOXES: Final = pa.list_(
    pa.struct(
        [
            *((side, pa.float64()) for side in objects.CORNERS),  # fractions of width and height
            ("class_index", pa.int32()),
            ("flags", pa.uint8()),  # bits as of `pipeline.catalog.objects`
            ("known", pa.uint8()),  # of which of them the annotation says something
            ("box_id", pa.string()),  # what the annotation is called; null: nothing
        ]
    )
)
"""The objects of images, as the tables of an `AnnotatedList` have them."""

TABLE: Final = pa.schema(
    [
        *SCHEMA,
        ("text", pa.string()),
        ("width", pa.int32()),  # pixels, as the annotations say
        ("height", pa.int32()),
        ("boxes", BOXES),
    ]
)
"""Columns of the tables of an `AnnotatedList`; `labels` has each class that an image shows once."""

RENAME: Final = "give the class another name"
"""What can be done about a name that no class can have."""


@dataclass(frozen=True, slots=True)
class AnnotatedBox:
    """An object on an image.

    Attributes:
        name: of its class.
        box: fractions of the image, each from 0 to 1, of an area above 0.
        flags: bits as of `pipeline.catalog.objects`.
        known: the bits that the annotation says something of.
        box_id: what the annotation is called; None: nothing.
    """

    name: str
    box: Box
    flags: int
    known: int
    box_id: str | None = None


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """An image and what is on it.

    Attributes:
        path: relative to the root, without ``.`` and empty parts.
        number: what the annotations call it, from 0 to 2**64 - 1; each has another one.
        width: pixels, at least 1.
        height: likewise.
        boxes: in the order of the annotations; none: there is no object on it.
    """

    path: str
    number: int
    width: int
    height: int
    boxes: tuple[AnnotatedBox, ...]


@dataclass(frozen=True)
class Annotations:
    """What annotations say, whatever their form.

    Attributes:
        images: in their order.
        names: of the classes that there are; of COCO also those without an object.
        notes: what was left out, a sentence each.
    """

    images: Sequence[AnnotatedImage]
    names: Sequence[str]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class AnnotatedList:
    """Annotations with their classes numbered.

    Attributes:
        path: the file or folder of the annotations.
        classes: by their labels.
        notes: what was left out, a sentence each.
        annotations: what they say.
    """

    path: Location
    classes: FolderClasses
    notes: tuple[str, ...]
    annotations: Annotations = field(repr=False)

    def tables(self) -> Iterator[pa.Table]:
        """Yield the images in their order, 1 to `ROWS` at once, columns of `TABLE`.

        An image without an object has no label. Its line is 0: it stands in none of its own.
        """
        images, table = self.annotations.images, self.classes.table
        for first in range(0, len(images), ROWS):
            yield _table(images[first : first + ROWS], table)


def _table(images: Sequence[AnnotatedImage], table: ClassTable) -> pa.Table:
    labels = [sorted({_label(table, one) for one in image.boxes}) for image in images]
    columns: Mapping[str, object] = {
        "line": np.zeros(len(images), np.int64),
        "id": [image.number for image in images],
        "labels": labels,
        "path": [image.path for image in images],
        "text": [table.names[each[0]] if each else "" for each in labels],
        "width": [image.width for image in images],
        "height": [image.height for image in images],
        "boxes": _boxes([one for image in images for one in image.boxes], images, table),
    }
    return pa.table(
        [pa.array(columns[each.name], each.type) for each in TABLE if each.name != "boxes"]
        + [columns["boxes"]],
        schema=TABLE,
    )


def _label(table: ClassTable, one: AnnotatedBox) -> int:
    return table.labels[classtable.normal(one.name)]


def _boxes(
    every: Sequence[AnnotatedBox], images: Sequence[AnnotatedImage], table: ClassTable
) -> pa.ListArray:
    corners = np.array([one.box for one in every], np.float64).reshape(-1, 4)
    columns = [
        *(pa.array(np.ascontiguousarray(side)) for side in corners.T),
        pa.array([_label(table, one) for one in every], pa.int32()),
        pa.array([one.flags for one in every], pa.uint8()),
        pa.array([one.known for one in every], pa.uint8()),
        pa.array([one.box_id for one in every], pa.string()),
    ]
    structs = pa.StructArray.from_arrays(columns, fields=list(BOXES.value_type))
    ends = np.cumsum([0, *(len(image.boxes) for image in images)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(ends), structs, type=BOXES)
