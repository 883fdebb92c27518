"""COCO: the objects of a split as one JSON document, in the form of ``instances_*.json``.

Source: cocodataset/cocoapi, PythonAPI/pycocotools/coco.py; cocodataset.org, "Data format".

* Ids of images and annotations are consecutive, from 1: what publishers call an image may have 64
  bits, which neither int64 nor a JavaScript number holds. It stands beside, as ``source_id``.
* The id of a category is the class's index in the label table and 1.
* Numbers are of pixels of the image. Of an object with a mask ``segmentation``, ``area`` and
  ``bbox`` are those of the mask at the image's size, and ``oid_box`` is the box of the
  annotation; of others ``bbox`` is that box, and ``segmentation`` is empty.
* ``iscrowd`` is 1 of objects that are a group of their class. Other flags stand in ``attributes``,
  true or false; one that is unknown is not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from pipeline.catalog import details
from pipeline.exports.described_images import DescribedImage, DescribedObject
from pipeline.images.masks import Mask, area, encode_rle, tight_box

VERSION: Final = 1
_JSON: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_IN_ATTRIBUTES: Final = [
    (place, name) for place, name in enumerate(details.FLAGS) if name != "group_of"
]


class Licences:
    """The licences of images, numbered from 1 in the order in which they are met."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, url: str | None) -> int | None:
        """Return the number of a licence; None: it is not known."""
        return self._numbers.setdefault(url, len(self._numbers) + 1) if url else None

    def entries(self) -> list[dict[str, Any]]:
        """Return the entries of the document."""
        return [{"id": number, "name": url, "url": url} for url, number in self._numbers.items()]


def pieces(
    about: str,
    names: Sequence[str],
    class_ids: Sequence[str],
    images: Iterable[dict[str, Any]],
    licences: Licences,
    annotations: Iterable[dict[str, Any]],
) -> Iterator[bytes]:
    """Yield the document in pieces; the same arguments give the same bytes.

    Args:
        about: what it is of.
        names: of the classes, by index.
        class_ids: of the classes, by index.
        images: entries, which may add to `licences`.
        licences: read behind `images`.
        annotations: entries; opened behind `images`.
    """
    categories = [
        {"id": place, "name": name, "supercategory": "", "class_id": class_id}
        for place, (name, class_id) in enumerate(zip(names, class_ids, strict=True), start=1)
    ]
    yield _encoded("{", "info", {"description": about})
    yield _encoded(",\n", "categories", categories)
    yield from _list("images", images)
    yield _encoded(",\n", "licenses", licences.entries())
    yield from _list("annotations", annotations)
    yield b"}\n"


def image_entry(number: int, image: DescribedImage) -> dict[str, Any]:
    """Return the entry of an image; `number` is its id."""
    return {
        "id": number,
        "file_name": image.name,
        "width": image.width,
        "height": image.height,
        "source_id": image.image_id,
    }


def attribution_of(row: dict[str, Any], licences: Licences) -> dict[str, Any]:
    """Return what the entry of an image says of whose it is, from a row of its source."""
    said = {
        "license": licences.number(row["license"]),
        "flickr_url": row["original_url"],
        "landing_page": row["landing_page"],
        "author": row["author"],
        "title": row["title"],
    }
    return {name: value for name, value in said.items() if value is not None}


def annotation_entry(
    number: int, image_number: int, image: DescribedImage, one: DescribedObject, mask: Mask | None
) -> dict[str, Any]:
    """Return the entry of an object; `number` is its id, and `image_number` that of its image."""
    annotated = _box(one.xmin * image.width, one.ymin * image.height, *_far_corner(image, one))
    entry: dict[str, Any] = {
        "id": number,
        "image_id": image_number,
        "category_id": one.class_index + 1,
        "iscrowd": int(one.is_group),
    }
    tight = None if mask is None else tight_box(mask)
    if mask is None or tight is None:
        entry |= {"bbox": annotated, "area": annotated[2] * annotated[3], "segmentation": []}
    else:
        entry |= {
            "bbox": _box(*map(float, tight)),
            "area": area(mask),
            "segmentation": encode_rle(mask).to_json(),
            "oid_box": annotated,
        }
    attributes = {name: one.flags[place] == 1 for place, name in _known(one)}
    if one.is_difficult:
        attributes[details.DIFFICULT] = True
    return {**entry, "attributes": attributes} if attributes else entry


def _known(one: DescribedObject) -> list[tuple[int, str]]:
    """Return the flags of an object that are known, each with its place."""
    return [(place, name) for place, name in _IN_ATTRIBUTES if one.flags[place] in (0, 1)]


def _far_corner(image: DescribedImage, one: DescribedObject) -> tuple[float, float]:
    return one.xmax * image.width, one.ymax * image.height


def _box(xmin: float, ymin: float, xmax: float, ymax: float) -> list[float]:
    """Return a box as COCO has it: the corner, width and height."""
    return [xmin, ymin, xmax - xmin, ymax - ymin]


def _encoded(before: str, name: str, value: object) -> bytes:
    return f'{before}"{name}":{_JSON.encode(value)}'.encode()


def _list(name: str, entries: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    yield f',\n"{name}":['.encode()
    between = "\n"
    for entry in entries:
        yield f"{between}{_JSON.encode(entry)}".encode()
        between = ",\n"
    yield b"\n]"
