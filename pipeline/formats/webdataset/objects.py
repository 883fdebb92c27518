"""What a sample's facts say of each object on its image, with labels of detection.

``objects`` is a list with an object for each box, in the order of the boxes::

    {"class_index": 0-based in the label table, -1 where it names none and is of its image's,
     "class_id": such as a WNID; "" where it names none,
     "flags": names of `objects.FLAGS` that are set,
     "mask": null, or {"size": [height, width], "counts": runs in COCO's compressed form}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from pipeline.catalog import objects
from pipeline.errors import BadAnnotation, OutputDamaged
from pipeline.formats.record import UNLABELLED, ImageRecord
from pipeline.images.masks import Rle, decode_mask, encode_png, encode_rle

Described = dict[str, Any]

_KEYS: Final = ["class_index", "class_id", "flags", "mask"]
_NAME: Final = "objects"


def described(record: ImageRecord) -> list[Described]:
    """Return what is said of the objects on an image."""
    count = len(record.boxes)
    every = zip(
        record.box_classes or (UNLABELLED,) * count,
        record.box_ids or ("",) * count,
        record.flags or (0,) * count,
        record.masks or (b"",) * count,
        strict=True,
    )
    return [
        {
            "class_index": class_index,
            "class_id": class_id,
            "flags": [name for name, bit in objects.FLAGS.items() if bits & bit],
            "mask": _runs(mask),
        }
        for class_index, class_id, bits, mask in every
    ]


def fields(record: ImageRecord) -> dict[str, object]:
    """Return what `ParsedRecord.described` has of the sample of an image."""
    return {_NAME: described(record)}


def are_described(value: Any) -> bool:
    """Whether a JSON value is one that `described` gives."""
    return isinstance(value, list) and all(map(_is_described, value))


def masks(said: Mapping[str, object], size: tuple[int, int]) -> tuple[bytes, ...]:
    """Return the masks of a sample as PNGs of the size of its image, black where it has none.

    Args:
        said: as of `ParsedRecord.described`.
        size: width and height of the image in pixels.

    Raises:
        OutputDamaged: runs are not as they are written.
    """
    listed: Any = said.get(_NAME, [])
    try:
        return tuple(_png(one["mask"], size) for one in listed)
    except BadAnnotation as error:
        raise OutputDamaged(error.what, expected=error.expected, found=error.found) from error


def _runs(mask: bytes) -> dict[str, object] | None:
    """Return the runs of a mask; None of one without a pixel of its object."""
    pixels = decode_mask(mask) if mask else None
    return None if pixels is None or not pixels.any() else encode_rle(pixels).to_json()


def _png(runs: dict[str, Any] | None, size: tuple[int, int]) -> bytes:
    if runs is None:
        return encode_png(np.zeros((size[1], size[0]), np.bool_))
    height, width = runs["size"]
    if (width, height) != size:
        raise BadAnnotation("a mask of another size than its image", found=f"{width} x {height}")
    return encode_png(Rle(size, runs["counts"]).decode())


def _is_described(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and list(value) == _KEYS
        and type(value["class_index"]) is int
        and isinstance(value["class_id"], str)
        and isinstance(value["flags"], list)
        and all(flag in objects.FLAGS for flag in value["flags"])
        and (value["mask"] is None or _is_mask(value["mask"]))
    )


def _is_mask(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and list(value) == ["size", "counts"]
        and isinstance(value["counts"], str)
        and isinstance(value["size"], list)
        and [type(side) for side in value["size"]] == [int, int]
        and min(value["size"]) > 0
    )
