"""How many objects the images of annotations have, and how many images have none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.quantities import counted


@dataclass(frozen=True)
class ObjectCounts:
    """The objects of a split.

    Attributes:
        objects: how many there are.
        images: how many images have some.
        negatives: how many images have none.
        of_several: how many images show several classes.
        notes: what was left out of the annotations, of all splits, a sentence each.
    """

    objects: int = 0
    images: int = 0
    negatives: int = 0
    of_several: int = 0
    notes: tuple[str, ...] = ()

    def with_images(self, rows: pa.Table) -> ObjectCounts:
        """Return those of these images and of some more, columns as of `images.TABLE`."""
        counts = pc.list_value_length(rows["boxes"]).to_numpy()
        classes = pc.list_value_length(rows["labels"]).to_numpy()
        return ObjectCounts(
            self.objects + int(counts.sum()),
            self.images + int(np.count_nonzero(counts)),
            self.negatives + int(np.count_nonzero(counts == 0)),
            self.of_several + int(np.count_nonzero(classes > 1)),
            self.notes,
        )

    @property
    def has_vectors(self) -> bool:
        """Whether some image has not exactly one class."""
        return bool(self.negatives or self.of_several)

    def closing(self) -> Iterator[str]:
        """Yield what there is, and what was left out, for people."""
        yield (
            f"boxes: {counted(self.objects, 'object')} on {counted(self.images, 'image')};"
            f" {counted(self.negatives, 'image')} without an object,"
            f" {self.of_several:,} with objects of several classes"
        )
        yield from self.notes
