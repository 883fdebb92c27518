"""What rows of a Parquet file say of the objects on an image, as Hugging Face's datasets have it.

``objects`` is a struct of lists, or a list of structs: ``bbox`` (x, y, width and height in pixels,
as COCO has them), and perhaps ``category``, ``class_id`` and flags. So ``width`` and ``height`` of
the image have to be columns, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from pipeline.catalog.objects import Box
from pipeline.sources.shardset.tar_images import FLAGS

COLUMN: Final = "objects"
SIZE: Final = ("width", "height")
"""Columns with the size of an image in pixels."""
_BOX, _CLASS, _ID = "bbox", "category", "class_id"
_SIDES: Final = 4
_PIXEL: Final = 1.0  # that a box may leave its image by, as rounded ones do


def columns(schema: pa.Schema) -> list[str]:
    """Return the columns to read for the objects; none where they are not told, or no sizes are."""
    if not {COLUMN, *SIZE} <= {*schema.names} or _fields(schema) is None:
        return []
    if not all(pa.types.is_integer(schema.field(name).type) for name in SIZE):
        return []
    kind = schema.field(COLUMN).type
    taken = [name for name in (_BOX, _CLASS, _ID, *FLAGS) if name in (_fields(schema) or ())]
    listed = [f"{COLUMN}.{name}" for name in taken] if pa.types.is_struct(kind) else [COLUMN]
    return [*SIZE, *listed]


def said(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row says of its objects: fields of `FoundImage`; a row has what was read."""
    found, width, height = row[COLUMN], row[SIZE[0]], row[SIZE[1]]
    if isinstance(found, list):
        names = {name for each in found for name in each}
        found = {name: [each.get(name) for each in found] for name in names}
    boxes = (found or {}).get(_BOX) or []
    if not boxes or not width or not height:
        return {}
    listed = {"boxes": tuple(_fractions(box, width, height) for box in boxes)}
    return listed | _classes(found, len(boxes))


def _classes(found: Mapping[str, Sequence[Any]], count: int) -> dict[str, Any]:
    known = {name: each for name, each in found.items() if each and len(each) == count}
    more: dict[str, Any] = {}
    if all(isinstance(each, int) for each in known.get(_CLASS, [None])):
        more["box_classes"] = tuple(known[_CLASS])
    if all(isinstance(each, str) for each in known.get(_ID, [None])):
        more["box_ids"] = tuple(known[_ID])
    flags = {bit: known[name] for name, bit in FLAGS.items() if name in known}
    if flags:
        more["flags"] = tuple(
            sum(bit for bit, each in flags.items() if (each[place] or 0) > 0)
            for place in range(count)
        )
    return more


def _fractions(box: Sequence[float], width: int, height: int) -> Box:
    """Return corners as fractions; what is outside by a pixel at most is at the edge."""
    x, y, across, down = box if len(box) == _SIDES else (-width, -height, 0, 0)
    return (
        _within(x, width),
        _within(y, height),
        _within(x + across, width),
        _within(y + down, height),
    )


def _within(place: float, side: int) -> float:
    if -_PIXEL <= place <= side + _PIXEL:
        place = min(max(place, 0), side)
    return place / side


def _fields(schema: pa.Schema) -> list[str] | None:
    """Return what is said of objects; None: no boxes."""
    kind = schema.field(COLUMN).type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        kind = kind.value_type
    if not pa.types.is_struct(kind) or kind.get_field_index(_BOX) < 0:
        return None
    return [kind.field(place).name for place in range(kind.num_fields)]
