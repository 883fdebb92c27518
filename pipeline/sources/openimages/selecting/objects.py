"""The tables of the selected images of one bucket: their objects, classes and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.sources.openimages import ids, tables
from pipeline.sources.openimages.ids import Numbers
from pipeline.sources.openimages.selecting.bucket import Bucket, Pairs, within
from pipeline.sources.openimages.selecting.doubled import count_doubled
from pipeline.sources.openimages.selecting.spilled import at, by_image, column

_SIDES: Final = ("xmin", "xmax", "ymin", "ymax")
_OF_BOXES: Final = ("confidence", *tables.FLAGS)
_OF_MASKS: Final = ("box_id", "mask_path", "predicted_iou")


@dataclass(frozen=True)
class Names:
    """What the numbers in a bucket stand for.

    Attributes:
        labels: the MIDs.
        sources: such as ``xclick``.
        classes: the names of the label table.
    """

    labels: pa.StringArray
    sources: pa.StringArray
    classes: pa.StringArray


@dataclass(eq=False)
class Selected:
    """The selected images of a bucket.

    Attributes:
        bucket: their rows.
        images: the images, ascending; of the bucket and of others.
        names: what the numbers stand for.
        masks_alone: masks that are of no box, after `objects` was asked for.
    """

    bucket: Bucket
    images: Numbers
    names: Names

    def __post_init__(self) -> None:
        self.masks_alone = 0
        self.boxes = self._kept(self.bucket.boxes, self.bucket.keeps_box)
        self.masks = self._kept(self.bucket.masks, self.bucket.keeps_mask)

    def objects(self) -> pa.Table:
        """Return the objects as of `tables.OBJECTS`, with `id`, the image as a number."""
        mask_of_box = np.full(self.bucket.boxes.num_rows, -1, np.int64)
        if self.bucket.boxes.num_rows:
            box_of_mask = self.bucket.box_of_mask[self.masks]
            mask_of_box[box_of_mask[box_of_mask >= 0]] = self.masks[box_of_mask >= 0]
            alone = self.masks[box_of_mask < 0]
        else:
            alone = self.masks
        rows = pa.concat_tables([self._of_boxes(mask_of_box[self.boxes]), self._of_masks(alone)])
        self.masks_alone = len(alone)
        return by_image(rows)

    def classes(self) -> tuple[Numbers, Pairs, Pairs]:
        """Return the images of the bucket, the classes that each shows, and those absent there."""
        shown = self.bucket.shown().of_images(self.images)
        absent = self.bucket.absent().of_images(self.images)
        return self._images(), shown, absent.without(shown)

    def doubled(self) -> tuple[int, int]:
        """Return how many boxes, and how many masks, are the same as one before them."""
        of_boxes = self._common_numbers(self.bucket.boxes, self.boxes)
        sources = column(self.bucket.boxes, "source")[self.boxes]
        of_masks = self._common_numbers(self.bucket.masks, self.masks)
        masks = count_doubled(of_masks)
        if masks:  # mostly none is: then their names, which are long, need not be compared
            paths = _chunk(self.bucket.masks, "mask_path").dictionary_encode().indices.to_numpy()
            quality = column(self.bucket.masks, "predicted_iou")  # null is NaN
            masks = count_doubled([*of_masks, paths[self.masks], quality[self.masks]])
        return count_doubled([*of_boxes, sources]), masks

    def labels(self) -> pa.Table:
        """Return labels of whole images: the columns of `tables.LABELS`, and others."""
        index = self.bucket.rules.index[column(self.bucket.labels, "label")]
        rows = at(self.bucket.labels, self._kept(self.bucket.labels, index >= 0))
        columns = {
            **self._common(rows),
            "source": self.names.sources.take(_chunk(rows, "source")),
            "confidence": rows["confidence"],
        }
        return pa.table(columns)

    @staticmethod
    def _common_numbers(rows: pa.Table, places: NDArray[np.int64]) -> list[NDArray[Any]]:
        """Return image, label and corners of the rows at some places."""
        return [column(rows, name)[places] for name in ("id", "label", *_SIDES)]

    def _images(self) -> Numbers:
        every = [
            column(rows, "id").astype(np.uint64, copy=False)
            for rows in (self.bucket.boxes, self.bucket.masks, self.bucket.labels)
        ]
        there = np.unique(np.concatenate(every))
        return there[within(there, self.images)]

    def _kept(self, rows: pa.Table, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the places of the kept rows of selected images."""
        images = column(rows, "id").astype(np.uint64, copy=False)
        return np.nonzero(kept & within(images, self.images))[0].astype(np.int64)

    def _of_boxes(self, mask_of_box: NDArray[np.int64]) -> pa.Table:
        boxes = at(self.bucket.boxes, self.boxes)
        of_mask = pa.array(mask_of_box, mask=mask_of_box < 0)
        columns = {
            **self._common(boxes),
            **{side: boxes[side] for side in _SIDES},
            "source": self.names.sources.take(_chunk(boxes, "source")),
            **{name: boxes[name] for name in _OF_BOXES},
            **{name: _chunk(self.bucket.masks, name).take(of_mask) for name in _OF_MASKS},
        }
        return _table(columns)

    def _of_masks(self, places: NDArray[np.int64]) -> pa.Table:
        masks = at(self.bucket.masks, places)
        unknown = {name: pa.nulls(masks.num_rows) for name in ("source", *_OF_BOXES)}
        known = {name: masks[name] for name in (*_SIDES, *_OF_MASKS)}
        columns = {**self._common(masks), **unknown, **known}
        return _table(columns)

    def _common(self, rows: pa.Table) -> dict[str, pa.Array | pa.ChunkedArray]:
        images = column(rows, "id").astype(np.uint64)
        index = pa.array(self.bucket.rules.index[column(rows, "label")], pa.int32())
        return {
            "id": pa.array(images),
            "image_id": ids.texts(images),
            "label": self.names.labels.take(_chunk(rows, "label")),
            "class_index": index,
            "class_name": self.names.classes.take(index),
        }


_SCHEMA: Final = pa.schema([("id", pa.uint64()), *tables.OBJECTS])


def _table(columns: dict[str, pa.Array | pa.ChunkedArray]) -> pa.Table:
    return pa.table(columns).select(_SCHEMA.names).cast(_SCHEMA)


def _chunk(rows: pa.Table, name: str) -> pa.Array:
    """Return a column as one array."""
    return rows[name].combine_chunks()
