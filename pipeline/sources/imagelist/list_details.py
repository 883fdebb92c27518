"""What annotations say of images and objects beyond the catalog, for exports."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.catalog import details, objects
from pipeline.catalog.details import Details
from pipeline.errors import ArchiveMissing
from pipeline.sources.imagelist import list_rows as listrows
from pipeline.sources.imagelist.image_listing import ImageListing


def details_of(listed: ImageListing) -> Details:
    """Return what annotations say of the images of a split."""
    return Details(
        digest=listed.digest,
        images=partial(images, listed),
        objects=partial(objects_of, listed),
        names_are_keys=True,
        check_there=partial(_check_there, listed),
    )


def images(listed: ImageListing) -> Iterator[pa.Table]:
    """Yield the images, as `details.IMAGES` has them; those without an object are negatives."""
    for table in listrows.annotated_tables(listed):
        none = pa.nulls(table.num_rows, pa.string())
        columns = {
            "key": table["path"],
            "image_id": table["id"].cast(pa.string()),
            "width": table["width"],
            "height": table["height"],
            "classes": table["labels"],
            "is_negative": pc.equal(pc.list_value_length(table["boxes"]), 0),
            "outcome": pc.fill_null(none, "there"),
        }
        yield pa.table(columns).cast(details.IMAGES)


def objects_of(listed: ImageListing) -> Iterator[pa.Table]:
    """Yield the objects, as `details.OBJECTS` has them, and whether each is difficult."""
    names = pa.array(listed.classes.table.names if listed.classes else (), pa.string())
    for table in listrows.annotated_tables(listed):
        boxes = table["boxes"].combine_chunks()
        every = boxes.flatten()
        index = every.field("class_index")
        known, flags = every.field("known").to_numpy(), every.field("flags").to_numpy()
        columns = {
            "key": table["path"].combine_chunks().take(pc.list_parent_indices(boxes)),
            "label": names.take(index),
            "class_index": index,
            **{side: every.field(side) for side in objects.CORNERS},
            **{
                name: pa.array((flags & bit != 0).astype(np.int8), mask=known & bit == 0)
                for name, bit in objects.FLAGS.items()
            },
            "box_id": every.field("box_id"),
        }
        schema = details.OBJECTS.append(pa.field(details.DIFFICULT, pa.int8()))
        others = {
            field.name: pa.nulls(len(every), field.type)
            for field in schema
            if field.name not in columns
        }
        yield pa.table({**columns, **others}).select(schema.names).cast(schema)


def _check_there(listed: ImageListing) -> None:
    if storage.stat(listed.path) is None and not storage.is_folder(listed.path):
        raise ArchiveMissing(
            "the annotations are not there any more",
            file=str(listed.path),
            remedy="put them there again",
        )
