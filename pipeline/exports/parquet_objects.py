"""Columns of the Parquet export of what a source says of images beyond the catalog.

Null where nothing is known::

    image_id        string         as the publishers call the image
    outcome         string         what came of it: "there", or why no file of it is there: absent,
                                   forbidden, bad
    objects         list<struct>   on it, see `OBJECT`: boxes, flags and masks as they are published
    author, author_profile, title, license, landing_page, original_url
                    string         whose it is, see `pipeline.catalog.details.ATTRIBUTION`
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import details
from pipeline.catalog import table as catalog
from pipeline.catalog.details import Details
from pipeline.exports import attribution_rows
from pipeline.exports.base import SplitView
from pipeline.exports.described_images import Following, other_images
from pipeline.storage import Location

VERSION: Final = 1
_PARTS: Final = [part for part in details.OBJECTS if part.name != "key"]
_OTHER_NAMES: Final = {"mask_path": "mask"}  # as in the tables of annotations
OBJECT: Final = pa.struct(
    [part.with_name(_OTHER_NAMES.get(part.name, part.name)) for part in _PARTS]
)
"""An object, as `details.OBJECTS` has it; `mask` is null where there is none."""
_ATTRIBUTION: Final = [part for part in details.ATTRIBUTION if part.name not in {"key", "image_id"}]
_OF_IMAGE: Final = [details.IMAGES.field(name) for name in ("image_id", "outcome")]
COLUMNS: Final = pa.schema([*_OF_IMAGE, ("objects", pa.list_(OBJECT)), *_ATTRIBUTION])
"""The columns, in their order."""


def read(split: SplitView, said: Details, scratch: Location) -> Iterator[pa.Table]:
    """Yield the columns of a split, a table for each part of its catalog.

    Args:
        split: the split.
        said: what its source says of it.
        scratch: temporary files lie beside it, under its name and more.

    Raises:
        OutputDamaged: what the source says is of other images than the catalog has.
    """
    images, annotations = Following(said.images()), Following(said.objects())
    attribution = attribution_rows.read(split, said, scratch)
    for rows in catalog.read(split.catalog):
        keys = rows["key"].combine_chunks()
        of_images = images.take(keys)
        if not of_images["key"].combine_chunks().equals(keys):
            raise other_images(split)
        columns = {part.name: of_images[part.name] for part in _OF_IMAGE}
        columns["objects"] = _nested(annotations.take(keys), keys)
        columns |= _attribution(attribution, said, len(keys))
        yield pa.table(columns).select(COLUMNS.names).cast(COLUMNS)
    if not (images.ended and annotations.ended):
        raise other_images(split)


def _nested(rows: pa.Table, keys: pa.Array) -> pa.ListArray:
    """Return the objects of each image as a list."""
    places = pc.index_in(rows["key"], value_set=keys).to_numpy()
    ends = np.cumsum(np.bincount(places, minlength=len(keys)))
    offsets = pa.array(np.append(0, ends), pa.int32())
    parts = [rows[part.name].combine_chunks() for part in _PARTS]
    return pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(parts, fields=list(OBJECT)))


def _attribution(
    rows: Iterator[tuple[str, dict[str, object]]], said: Details, count: int
) -> dict[str, pa.Array]:
    """Return whose the next images are; nulls where no author is known."""
    if said.attribution is None:
        return {part.name: pa.nulls(count, part.type) for part in _ATTRIBUTION}
    listed = [row for _, row in islice(rows, count)]
    return {part.name: pa.array([row[part.name] for row in listed]) for part in _ATTRIBUTION}
