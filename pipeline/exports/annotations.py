"""The objects on the images of a split as Parquet: a row each, boxes and masks joined.

Columns, null where nothing is known::

    image_id       string    what the publishers call the image
    file_name      string    its path below the folder of the split's images
    label          string    the id of its class
    class_index    int32     0-based in the label table; -1: of none
    class_name     string    its class in words
    xmin, ymin, xmax, ymax
                   double    fractions of the image's width and height
    source         string    how the box was made
    confidence     double
    occluded, truncated, group_of, depiction, inside
                   int8      1 yes, 0 no, -1 unknown
    box_id         string
    mask           string    path of its mask below the folder of the split's masks
    predicted_iou  double    of the mask
    width, height  int32     pixels of the image

Rows are in the order of the catalog. An image without objects has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import digests
from pipeline.catalog import details
from pipeline.exports import described_images
from pipeline.exports.base import ExportPlan, ExportWork, SetView
from pipeline.exports.described_images import DescribedImage, DescribedObject, Tally
from pipeline.exports.of_objects import (
    VERSION_OF_FORM,
    ExportOfObjects,
    made_of,
    needs,
    with_boxes,
)
from pipeline.manifest import Document
from pipeline.storage import StagedFile, below

VERSION: Final = 1
SCHEMA: Final = pa.schema(
    [
        ("image_id", pa.string()),
        ("file_name", pa.string()),
        ("label", pa.string()),
        ("class_index", pa.int32()),
        ("class_name", pa.string()),
        *((side, pa.float64()) for side in ("xmin", "ymin", "xmax", "ymax")),
        ("source", pa.string()),
        ("confidence", pa.float64()),
        *((flag, pa.int8()) for flag in details.FLAGS),
        ("box_id", pa.string()),
        ("mask", pa.string()),
        ("predicted_iou", pa.float64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)
_ROWS: Final = 1 << 14
_ALIKE: Final = ["label", "class_index", "class_name", "source", *details.FLAGS]


class Annotations(ExportOfObjects):
    """The objects on the images of each split, a row each."""

    name = "annotations"

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the table of a split."""
        return (f"annotations/{folder}.parquet",)

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield a table for each split that has boxes."""
        for name, split in with_boxes(data).items():
            yield ExportPlan(
                kind=self.name,
                files=tuple(below(data.out, file) for file in self.files(name)),
                digest=digests.digest(made_of(data, split, VERSION)),
                split=name,
                needs=needs(split),
                made_of={VERSION_OF_FORM: str(VERSION)},
            )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write the table; nothing but a row group of it is held."""
        tally, split = Tally(), work.data.splits[work.plan.split]
        images = described_images.read(split, work.left_out, tally)
        table = work.data.table
        names = [text or name for text, name in zip(table.words, table.class_ids, strict=True)]
        options: dict[str, Any] = {"compression": "zstd", "use_dictionary": _ALIKE}
        held, rows = list[tuple[Any, ...]](), 0
        with staged[0].stream() as stream, pq.ParquetWriter(stream, SCHEMA, **options) as writer:
            for image in images:
                held += (_row(image, one, names) for one in image.objects)
                if len(held) >= _ROWS:
                    rows += _write(writer, held)
                    held = []
            rows += _write(writer, held)
        return {"rows": rows, "closing": tally.closing(f"annotations, {split.name}")}


def _row(image: DescribedImage, one: DescribedObject, names: Sequence[str]) -> tuple[Any, ...]:
    """Return the row of an object, in the order of `SCHEMA`."""
    name = names[one.class_index] if one.class_index >= 0 else None
    of_class = (one.label or None, one.class_index, name)
    box = (one.xmin, one.ymin, one.xmax, one.ymax, one.source, one.confidence)
    of_mask = (one.box_id, one.mask_path, one.predicted_iou)
    size = (image.width, image.height)
    return (image.image_id, image.name, *of_class, *box, *one.flags, *of_mask, *size)


def _write(writer: pq.ParquetWriter, rows: list[tuple[Any, ...]]) -> int:
    """Write rows as a row group, if there are any, and return how many they are."""
    if rows:
        columns = zip(*rows, strict=True)
        arrays = [pa.array(each, field.type) for each, field in zip(columns, SCHEMA, strict=True)]
        writer.write_table(pa.table(arrays, schema=SCHEMA), row_group_size=len(rows))
    return len(rows)
