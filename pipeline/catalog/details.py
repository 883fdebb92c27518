"""What a source can say of its images beyond the catalog, for exports that describe objects.

A catalog has what shards hold: boxes in float32, and flags that are set or not. A source whose
annotations say more offers them as `Details`: streams of tables, which nobody holds as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from pipeline.storage import Location

FLAGS: Final = ("occluded", "truncated", "group_of", "depiction", "inside")
"""Flags of objects: 1 yes, 0 no, -1 unknown; null: the annotations have no such column."""

DIFFICULT: Final = "difficult"
"""A flag that streams of objects may have behind the columns of `OBJECTS`, as VOC has it."""

IMAGES: Final = pa.schema(
    [
        ("key", pa.string()),  # as the catalog has it
        ("image_id", pa.string()),  # as the publishers call the image
        ("width", pa.int32()),  # pixels of the source; null: not known
        ("height", pa.int32()),
        ("classes", pa.list_(pa.int32())),  # that it shows: 0-based in the label table, ascending
        ("is_negative", pa.bool_()),  # verified to show none of some chosen class
        ("outcome", pa.string()),  # "there", or why there is no file: absent, forbidden, bad
    ]
)
"""The images, a row for each row of the catalog, in its order."""

OBJECTS: Final = pa.schema(
    [
        ("key", pa.string()),
        ("label", pa.string()),  # the id of its class, as the annotations have it
        ("class_index", pa.int32()),  # 0-based in the label table
        *((side, pa.float64()) for side in ("xmin", "ymin", "xmax", "ymax")),  # fractions
        ("source", pa.string()),  # how the box was made; null: nobody says
        ("confidence", pa.float64()),
        *((flag, pa.int8()) for flag in FLAGS),
        ("box_id", pa.string()),
        ("mask_path", pa.string()),  # below `Details.masks`; null: there is no mask
        ("predicted_iou", pa.float64()),  # of the mask
    ]
)
"""The objects on those images: images in the order of the catalog, objects in any fixed one."""

ATTRIBUTION: Final = pa.schema(
    [
        ("key", pa.string()),
        ("image_id", pa.string()),
        ("author", pa.string()),
        ("author_profile", pa.string()),
        ("title", pa.string()),
        ("license", pa.string()),  # the address of its text
        ("landing_page", pa.string()),
        ("original_url", pa.string()),
    ]
)
"""Whose the images are, in any order, each image once at most."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Details:
    """What a source says of the images of a split beyond the catalog.

    Attributes:
        digest: of everything that decides what the streams yield.
        images: opens the images, see `IMAGES`.
        objects: opens the objects, see `OBJECTS`.
        attribution: opens whose the images are, see `ATTRIBUTION`; None: nobody says.
        names_are_keys: whether files of images are called as their keys, which are paths; else as
            the catalog says.
        masks: the folder of the masks, PNG files; None: there are none.
        check_there: raises `InputRefused` unless the files are there that these are read from.
    """

    digest: str
    images: Callable[[], Iterator[pa.Table]]
    objects: Callable[[], Iterator[pa.Table]]
    attribution: Callable[[], Iterator[pa.Table]] | None = None
    names_are_keys: bool = False
    masks: Location | None = None
    check_there: Callable[[], None] = lambda: None
