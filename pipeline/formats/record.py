"""An image record as every shard format takes it and gives it back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from pipeline.catalog.objects import Box
from pipeline.storage import Buffer

UNLABELLED: Final = -1
"""The label of an image whose class is not known."""


def stored_label(class_index: int, label_offset: int) -> int:
    """Return the label to store: no offset makes a class of an unlabelled image."""
    return class_index + label_offset if class_index >= 0 else UNLABELLED


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """What a shard format writes for one image.

    Attributes:
        key: unique name in the split, e.g. ``n01440764/n01440764_18.JPEG``.
        filename: of the image, as the data set publishes it, or a list names it.
        class_index: 0-based index in the label table; -1 where there is no label.
        class_id: of the class, such as a WNID; empty where there is no label.
        class_text: the class in words, UTF-8.
        boxes: (xmin, ymin, xmax, ymax) of each object, as fractions of width and height.
        width: pixels.
        height: pixels.
        encoded: the image as it is stored; may be a view that the caller reuses.
        id: unique in the split, 0 to 2**64 - 1: its number in the split's image list.
        labels: what an image list says of it, float32; empty where the class index says all, as
            it does of one label that is a whole number.
        box_classes: 0-based class of each object in `boxes`, -1 where it names none and is of the
            image's; empty where all are.
        box_ids: id of the class of each object, "" where it names none; empty where none does.
        flags: of each object, bits as of `catalog.objects`; empty where nobody says any.
        masks: of each object, a PNG of the size of the image, black where it has none; empty where
            none has, or none is asked for.
    """

    key: str
    filename: str
    class_index: int
    class_id: str
    class_text: str
    boxes: tuple[Box, ...]
    width: int
    height: int
    encoded: Buffer
    id: int = 0
    labels: tuple[float, ...] = ()
    box_classes: tuple[int, ...] = ()
    box_ids: tuple[str, ...] = ()
    flags: tuple[int, ...] = ()
    masks: tuple[bytes, ...] = ()


def object_labels(record: ImageRecord, label_offset: int) -> list[int]:
    """Return the label of each object: of its own class, or of its image's if it names none."""
    label = stored_label(record.class_index, label_offset)
    return [
        label if own < 0 else stored_label(own, label_offset)
        for own in record.box_classes or (UNLABELLED,) * len(record.boxes)
    ]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a record stands in its shard: bytes from the start, bytes long, framing included."""

    offset: int
    length: int


class ParsedRecord(Struct, frozen=True):
    """What the record of a format that stores all of it says of its image.

    A training loop makes one an image: a `Struct` takes a tenth of the time of a dataclass.

    Attributes:
        filename: as in `ImageRecord`.
        label: class index plus the label offset it was written with; -1 where unlabelled.
        class_id: as in `ImageRecord`.
        class_text: as in `ImageRecord`.
        boxes: as in `ImageRecord`, perhaps in float32 precision.
        width: pixels.
        height: pixels.
        encoded: the image: a view of the parsed buffer, not a copy.
        labels: as in `ImageRecord`.
        described: what else it says of objects, by name; empty where it says no more.
        masks: as in `ImageRecord`.
    """

    filename: str
    label: int
    class_id: str
    class_text: str
    boxes: tuple[Box, ...]
    width: int
    height: int
    encoded: memoryview
    labels: tuple[float, ...] = ()
    described: Mapping[str, object] = {}
    masks: tuple[bytes, ...] = ()

    def fields(self) -> dict[str, object]:
        """Return what it says, by name, but for the boxes."""
        return {name: getattr(self, name) for name in _COMPARED} | dict(self.described)


def fields_of(record: ImageRecord, label_offset: int) -> dict[str, object]:
    """Return what `ParsedRecord.fields` gives of the record of an image."""
    return {
        "filename": record.filename,
        "label": stored_label(record.class_index, label_offset),
        "class_id": record.class_id,
        "class_text": record.class_text,
        "width": record.width,
        "height": record.height,
        "labels": record.labels,
    }


_COMPARED: Final = (
    "filename",
    "label",
    "class_id",
    "class_text",
    "width",
    "height",
    "labels",
)
