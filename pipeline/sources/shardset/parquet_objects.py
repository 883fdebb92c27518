"""What rows of a Parquet file say of the objects on an image, as Hugging Face's datasets have it.

``objects`` is a struct of lists, or a list of structs: ``bbox`` (x, y, width and height in pixels,
as COCO has them), and perhaps ``category``, ``class_id`` and flags. So ``width`` and ``height`` of
the image have to be columns, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, Final, NoReturn

import pyarrow as pa

from pipeline.catalog.objects import FLAGS, LARGEST_CLASS, UNKNOWN, Box
from pipeline.errors import InputRefused
from pipeline.shards.foreign import Note
from pipeline.storage import Location

COLUMN: Final = "objects"
SIZE: Final = ("width", "height")
"""Columns with the size of an image in pixels."""
CLASS: Final = "category"
_BOX, _ID = "bbox", "class_id"
_SIDES: Final = 4
_PIXEL: Final = 1.0  # that a box may leave its image by, as rounded ones do


def columns(schema: pa.Schema) -> list[str]:
    """Return the columns to read for the objects; none where they are not told, or no sizes are."""
    if not {COLUMN, *SIZE} <= {*schema.names} or _fields(schema) is None:
        return []
    if not all(pa.types.is_integer(schema.field(name).type) for name in SIZE):
        return []
    kind = schema.field(COLUMN).type
    taken = [name for name in (_BOX, CLASS, _ID, *FLAGS) if name in (_fields(schema) or ())]
    listed = [f"{COLUMN}.{name}" for name in taken] if pa.types.is_struct(kind) else [COLUMN]
    return [*SIZE, *listed]


def said(
    row: Mapping[str, Any], names: Sequence[str], path: Location, number: int, note: Note
) -> dict[str, Any]:
    """Return what a row says of its objects: fields of `FoundImage`.

    Args:
        row: what was read of it.
        names: of the classes of objects, which are their ids where nothing else is; empty: none.
        path: of the Parquet file.
        number: of the row, from 1.
        note: is told of what is said of objects and not taken.

    Raises:
        InputRefused: boxes are none, or there is not one value for each box.
    """
    where = f"{path}, row {number}"
    listed = _lists(row[COLUMN], path, number)
    boxes, width, height = listed.pop(_BOX, []), row[SIZE[0]], row[SIZE[1]]
    if not boxes:
        return {}
    if not width or not height:
        note("boxes of an image without its width and height, which are not taken", where)
        return {}
    for box in boxes:
        if not (isinstance(box, list) and len(box) == _SIDES and all(map(_is_number, box))):
            _refuse(path, number, _BOX, "x, y, width and height of each box, numbers", box)
    for name, values in listed.items():
        if len(values) != len(boxes):
            expected = f"{len(boxes)}: one for each box"
            _refuse(path, number, name, expected, f"{len(values)} values")
    corners = tuple(_fractions(box, width, height) for box in boxes)
    classes = _classes(listed, path, number, note)
    if names and "box_ids" not in classes:
        known = classes.get("box_classes", ())
        classes["box_ids"] = tuple(names[each] if 0 <= each < len(names) else "" for each in known)
    return {"boxes": corners} | classes


def _lists(found: object, path: Location, number: int) -> dict[str, list[Any]]:
    """Return the values of each field that a row has, in the order of its objects.

    Raises:
        InputRefused: some are no list, or an object is null.
    """
    if isinstance(found, list):
        for each in found:
            if not isinstance(each, dict):
                _refuse(path, number, "", "a struct for each object", each)
        names = dict.fromkeys(name for each in found for name in each)
        found = {name: [each[name] for each in found] for name in names}
    said = found if isinstance(found, dict) else {}
    taken = {name: said[name] for name in (_BOX, CLASS, _ID, *FLAGS) if name in said}
    for name, values in taken.items():
        if values is not None and not isinstance(values, list):
            _refuse(path, number, name, "a list with a value for each object", values)
    return {name: values for name, values in taken.items() if values}


def _classes(
    listed: Mapping[str, Sequence[Any]], path: Location, number: int, note: Note
) -> dict[str, Any]:
    """Return classes and flags of objects; null stands for what is not known."""

    def all_are(name: str, is_one: Callable[[object], bool], what: str) -> bool:
        if all(each is None or is_one(each) for each in listed.get(name, ())):
            return name in listed
        note(f"{name} of objects that is {what}, which is not taken", f"{path}, row {number}")
        return False

    more: dict[str, Any] = {}
    if {type(each) for each in listed.get(CLASS, ()) if each is not None} == {str}:
        more["box_ids"] = tuple(each or "" for each in listed[CLASS])
    elif all_are(CLASS, _is_whole, "no whole number"):
        more["box_classes"] = tuple(
            UNKNOWN if each is None else max(each, UNKNOWN) for each in listed[CLASS]
        )
        if max(more["box_classes"]) > LARGEST_CLASS:
            expected = f"whole numbers from 0 to {LARGEST_CLASS}"
            _refuse(path, number, CLASS, expected, max(more["box_classes"]))
    if all_are(_ID, lambda each: isinstance(each, str), "no text"):
        more["box_ids"] = tuple(each or "" for each in listed[_ID])
    known = [name for name in FLAGS if all_are(name, _is_flag, "no number")]
    if known:
        more["flags"] = tuple(
            sum(FLAGS[name] for name, each in zip(known, values, strict=True) if (each or 0) > 0)
            for values in zip(*(listed[name] for name in known), strict=True)
        )
    return more


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_flag(value: object) -> bool:
    return isinstance(value, Real)


def _refuse(path: Location, number: int, name: str, expected: str, found: object) -> NoReturn:
    raise InputRefused(
        "what is said of the objects on an image is malformed",
        file=str(path),
        place=f"row {number}, column {COLUMN}{'.' if name else ''}{name}",
        expected=expected,
        found="null" if found is None else str(found)[:200],
        remedy=f"correct what has written the file, or give {COLUMN} another name: then it is not"
        " read",
    )


def _fractions(box: Sequence[float], width: int, height: int) -> Box:
    """Return corners as fractions; what is outside by a pixel at most is at the edge."""
    x, y, across, down = box
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
