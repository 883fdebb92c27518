"""The tables that a page is made of: chosen images, classes, and how often each figure occurs."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from pipeline.catalog import objects

CHOSEN: Final = pa.schema(
    [
        ("sheet", pa.int32()),  # 0-based; see `chosen.Choice`
        ("cell", pa.int32()),  # 0-based on the sheet
        ("class_index", pa.int32()),  # -1: none
        ("key", pa.string()),
        ("shard", pa.int32()),  # 0-based
        ("offset", pa.int64()),  # of the record in the shard, bytes
        ("length", pa.int64()),  # of the record, bytes
        ("bytes", pa.int64()),  # of the stored image
        ("width", pa.int32()),  # pixels
        ("height", pa.int32()),  # pixels
        ("mode", pa.string()),  # of the source
        ("repair", pa.string()),  # "": none
        ("xxh3_128", pa.string()),  # of the stored image, hex
        ("labels", pa.list_(pa.float32())),  # what an image list says; empty: class_index says all
        ("objects", objects.TYPE),
    ]
)
"""Columns of the images that are shown of a split, sheet by sheet."""

CLASSES: Final = pa.schema(
    [
        ("class_index", pa.int32()),  # -1: images of no class
        ("class_id", pa.string()),
        ("class_text", pa.string()),
        ("images", pa.int64()),
        ("bytes", pa.int64()),
        ("boxes", pa.int64()),
        ("repaired", pa.int64()),
    ]
)
"""Columns of the classes of a split that have images, by index."""

FIGURES: Final = pa.schema(
    [
        ("what", pa.string()),  # such as "width"
        ("text", pa.string()),  # the value, if it is a word
        ("value", pa.float64()),  # else
        ("count", pa.int64()),  # how many images, or boxes, have it
    ]
)
"""How often each figure occurs in a split."""


ALL: Final = {"chosen": CHOSEN, "classes": CLASSES, "figures": FIGURES}
"""The tables of a split by their names."""
