"""Objects of images as the rows of drawn catalogs have them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from pipeline.catalog import objects as column
from pipeline.catalog.objects import CORNERS

Object = dict[str, object]


def as_before(rows: pa.Table) -> pa.Table:
    """Return rows of a catalog as version 4 had them."""
    listed = rows["objects"].combine_chunks()
    corners = [[side for box in boxes for side in box] for boxes in column.boxes(listed)]
    floats, ints = pa.list_(pa.float32()), pa.list_(pa.int32())
    of_image = zip(column.class_indexes(listed), rows["class_index"].to_pylist(), strict=True)
    classes = [own if set(own) - {index} else () for own, index in of_image]
    kept = rows.drop_columns(["filename", "objects"])
    names = {now: then for then, now in (("synset", "class_id"), ("text", "class_text"))}
    earlier = kept.rename_columns([names.get(name, name) for name in kept.schema.names])
    earlier = earlier.append_column("boxes", pa.array(corners, floats))
    return earlier.append_column("box_classes", pa.array(classes, ints))


def objects(corners: Sequence[float], classes: Sequence[int] = ()) -> list[Object]:
    """Return the objects of an image, of which nothing is known but a box and a class index.

    Args:
        corners: xmin, ymin, xmax, ymax of each, one after another.
        classes: of each; none: no object names a class.
    """
    boxes = [corners[start : start + 4] for start in range(0, len(corners), 4)]
    nothing = dict.fromkeys(("class_id", "flags", "mask"))
    return [
        {**dict(zip(CORNERS, box, strict=True)), "class_index": own, **nothing}
        for box, own in zip(boxes, classes or [-1] * len(boxes), strict=True)
    ]
