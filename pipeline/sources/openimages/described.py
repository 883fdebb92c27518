"""What Open Images says of images and objects beyond the catalog, for exports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import digests
from pipeline.annotations.openimages import rows as csv_rows
from pipeline.catalog import details
from pipeline.catalog.details import Details
from pipeline.sources.openimages import places, published, tables
from pipeline.sources.openimages.collected import SUFFIX, Collected
from pipeline.sources.openimages.file_table import PublishedFile
from pipeline.sources.openimages.ids import numbers
from pipeline.sources.openimages.images import image_rows

_FETCHED: Final = ["image_id", "outcome", "width", "height"]
_THERE: Final = pa.array(sorted(image_rows.THERE))


def details_of(collected: Collected, info: PublishedFile | None, raw: Path) -> Details:
    """Return what is said of a split beyond the catalog.

    Args:
        collected: what was collected of it.
        info: the CSV file of its images' authors and licences; None: there is none.
        raw: the folder of metadata.
    """
    says = {"info": info.md5 or info.name} if info else {}
    folder = places.masks(collected.out, collected.split) if collected.masks is not None else None
    return Details(
        digest=digests.digest({**collected.identity, **says}),
        images=partial(images, collected),
        objects=partial(objects, collected),
        attribution=partial(attribution, collected, info, raw) if info else None,
        masks=folder,
        check_there=partial(published.check_all_there, (info,) if info else (), raw),
    )


def keys(image_ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return what a catalog calls images, by their ImageIDs."""
    return pc.binary_join_element_wise(image_ids, pa.scalar(SUFFIX), "")


def images(collected: Collected) -> Iterator[pa.Table]:
    """Yield the images, as `details.IMAGES` has them."""
    for place in range(len(collected.groups)):
        selected = tables.read_group(collected.selected_images, tables.IMAGES, place)
        fetched = collected.group(place, _FETCHED)
        is_there = pc.is_in(fetched["outcome"], value_set=_THERE)
        negatives = pc.list_value_length(selected["negatives"])
        columns = {
            "key": keys(selected["image_id"]),
            "image_id": selected["image_id"],
            "width": fetched["width"],
            "height": fetched["height"],
            "classes": selected["classes"],
            "is_negative": pc.greater(negatives, 0),
            # Whether it was fetched or kept depends on what lay there before.
            "outcome": pc.if_else(is_there, "there", fetched["outcome"]),
        }
        yield pa.table(columns).cast(details.IMAGES)


def objects(collected: Collected) -> Iterator[pa.Table]:
    """Yield the objects, as `details.OBJECTS` has them."""
    for rows in tables.read(collected.selected_objects, tables.OBJECTS):
        columns: Mapping[str, pa.ChunkedArray] = {
            **dict(zip(rows.column_names, rows.columns, strict=True)),
            "key": keys(rows["image_id"]),
            "mask_path": collected.written_masks(rows["mask_path"]),
        }
        chosen = {name: columns[name] for name in details.OBJECTS.names}
        yield pa.table(chosen).cast(details.OBJECTS)


def attribution(collected: Collected, info: PublishedFile, raw: Path) -> Iterator[pa.Table]:
    """Yield whose the images are, as `details.ATTRIBUTION` has them, those without a file too.

    Raises:
        ArchiveMissing: the CSV file is not there any more.
        BadAnnotation: it is not what it should be.
    """
    published.check_all_there((info,), raw)
    selected = tables.read(collected.selected_images, tables.IMAGES, ["image_id"])
    ids = np.concatenate([numbers(rows["image_id"]) for rows in selected])
    for batch in csv_rows.read_images(published.find(info, raw) or raw, ids):
        columns = {name: batch.table[of] for name, of in _ATTRIBUTION.items()}
        columns["key"] = keys(batch.table["image_id"])
        yield pa.table(columns).select(details.ATTRIBUTION.names).cast(details.ATTRIBUTION)


_ATTRIBUTION: Final = {
    "image_id": "image_id",
    "author": "author",
    "author_profile": "author_profile_url",
    "title": "title",
    "license": "license",
    "landing_page": "landing_url",
    "original_url": "original_url",
}
"""What a column is called in the CSV file as it was read."""
