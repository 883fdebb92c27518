"""The columns of a shard as `datasets` calls them, by which it decodes images and names classes.

Source: huggingface/datasets, src/datasets/features/features.py: the JSON of `Features.to_dict`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from pipeline.catalog.objects import FLAGS as BITS
from pipeline.formats.base import RecordOptions
from pipeline.formats.columns import described

Feature = Mapping[str, Any]

FLAGS: Final = tuple(BITS)
"""What is said of described objects, in the order of the bits of `catalog.objects`."""
LIST: Final = "Sequence"
_IMAGE: Final = {"_type": "Image"}


def value(dtype: str) -> Feature:
    """Return the feature of a plain value."""
    return {"dtype": dtype, "_type": "Value"}


def listed(feature: Feature, length: int = -1) -> Feature:
    """Return the feature of a list; -1: of any length.

    Its name is the one that every version of `datasets` knows.
    """
    return {"feature": feature, "length": length, "_type": LIST}


def label(names: Sequence[str], label_offset: int) -> Feature:
    """Return the feature of a class: with names, if there are any and they count from 0."""
    if names and not label_offset:
        return {"names": list(names), "_type": "ClassLabel"}
    return value("int64")


def features(options: RecordOptions) -> dict[str, Any]:
    """Return the feature of each column, in the order of the columns."""
    of_image = label(options.class_names, options.label_offset)
    columns: dict[str, Any] = {"image": _IMAGE, "label": of_image}
    if options.vectors:
        columns["labels"] = listed(value("float32"))
    if options.boxes:
        columns["objects"] = objects(options)
    return {**columns, "width": value("int32"), "height": value("int32")}


def objects(options: RecordOptions) -> dict[str, Any]:
    """Return the feature of each column of the objects."""
    names = options.class_names if options.object_names is None else options.object_names
    columns = {
        "bbox": listed(listed(value("float32"), 4)),
        "category": listed(label(names, options.label_offset)),
        "area": listed(value("float32")),
    }
    if described(options):
        columns["class_id"] = listed(value("string"))
        columns |= {name: listed(value("int8")) for name in FLAGS}
        columns["mask"] = listed(_IMAGE)
    return columns


@lru_cache(maxsize=16)
def metadata(options: RecordOptions) -> str:
    """Return what stands under `huggingface` in the metadata of a shard."""
    return json.dumps({"info": {"features": features(options)}})
