"""Annotations of COCO, ``instances_*.json``: images, categories, and a box for each annotation.

What is read of it; everything else may stand there too, and is passed over, outlines as well::

    {"images": [{"id": 139, "file_name": "000000000139.jpg", "width": 640, "height": 426}],
     "categories": [{"id": 1, "name": "person"}],
     "annotations": [{"id": 7, "image_id": 139, "category_id": 1, "bbox": [x, y, width, height],
                      "iscrowd": 0, "attributes": {"truncated": true}}]}

``bbox`` is in pixels, from 0. ``iscrowd`` and what `attributes` says of the flags of a catalog's
objects are kept. The file is held as a whole while it is read.

Source: cocodataset.org, "Data format"; cocodataset/cocoapi, PythonAPI/pycocotools/coco.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from pipeline.catalog import objects
from pipeline.errors import BadAnnotation, abbreviate
from pipeline.plaintext import quoted
from pipeline.quantities import counted
from pipeline.sources.imagelist.annotated import pixel_boxes
from pipeline.sources.imagelist.annotated.images import AnnotatedBox, AnnotatedImage, Annotations
from pipeline.sources.imagelist.image_paths import OddPath, clean

_Id = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
_Pixels = Annotated[int, Meta(ge=1, le=1 << 20)]

FLAGS: Final[Mapping[str, int]] = {
    "occluded": objects.OCCLUDED,
    "truncated": objects.TRUNCATED,
    "depiction": objects.DEPICTION,
    "inside": objects.INSIDE,
    "difficult": objects.DIFFICULT,
}
"""What `attributes` may say of an object, true or false."""

_EXPECTED: Final = (
    "a JSON object with images (id, file_name, width, height), categories (id, name) and"
    " annotations (image_id, category_id, bbox), as COCO's instances_*.json"
)


class Image(Struct, frozen=True, gc=False):
    """An entry of `images`."""

    id: _Id
    file_name: str
    width: _Pixels
    height: _Pixels


class Category(Struct, frozen=True, gc=False):
    """An entry of `categories`."""

    id: int
    name: str


class Annotation(Struct, frozen=True):
    """An entry of `annotations`; the box is x, y, width and height in pixels."""

    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    id: int | str | None = None
    iscrowd: int = 0
    attributes: dict[str, Any] | None = None


class Document(Struct, frozen=True):
    """All that is read of a file."""

    images: list[Image]
    categories: list[Category]
    annotations: list[Annotation]


def parse(content: bytes | memoryview, file: str = "") -> Document:
    """Read a document; `file` is what errors call it.

    Raises:
        BadAnnotation: it is no JSON, cut, or not of that form.
    """
    try:
        return msgspec.json.decode(content, type=Document)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        raise _refused(
            file,
            place.rstrip("`").lstrip(".") or "the document",
            "not annotations of COCO with boxes",
            _EXPECTED,
            what,
            "correct it; captions and panoptic annotations have no boxes, and are not taken",
        ) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _refused(
            file,
            f"{len(content):,} bytes",
            "the file is no JSON, or was cut",
            _EXPECTED,
            str(error),
            "fetch or write it again",
        ) from error


def interpret(document: Document, file: str = "") -> Annotations:
    """Return what a document says of its images; `file` is what errors call it.

    Annotations of images that it does not have, and boxes without an area, are left out and
    counted.

    Raises:
        BadAnnotation: an id, a path or a name of a category stands there twice; a path leaves the
            root; an annotation has an unknown category or a box outside of its image; no image or
            no category is there, or no annotation is of one of the images.
    """
    names = _names(document.categories, file)
    paths, images = _images(document.images, file)
    _check_ids(document.annotations, file)
    boxes: dict[int, list[AnnotatedBox]] = {}
    strangers = empty = 0
    for place, one in enumerate(document.annotations):
        image = images.get(one.image_id)
        if image is None:
            strangers += 1
            continue
        box = _box(place, one, image, names, file)
        if box is None:
            empty += 1
        else:
            boxes.setdefault(one.image_id, []).append(box)
    if strangers and strangers == len(document.annotations):
        raise _refused(
            file,
            "annotations",
            "no annotation is of an image that the file has",
            "annotations with the image_id of one of the images",
            f"{counted(strangers, 'annotation')}, e.g. of the image"
            f" {document.annotations[0].image_id}",
            "give the file that the annotations belong to",
        )
    of_others = f"{counted(strangers, 'annotation')} of images that the file does not have"
    notes = {of_others: strangers, f"{counted(empty, 'box')} without an area": empty}
    return Annotations(
        [
            AnnotatedImage(
                path, image.id, image.width, image.height, tuple(boxes.get(image.id, ()))
            )
            for path, image in zip(paths, images.values(), strict=True)
        ],
        list(names.values()),
        tuple(f"left out: {note}" for note, count in notes.items() if count),
    )


def _names(categories: Sequence[Category], file: str) -> dict[int, str]:
    """Return the name of each category by its id."""
    names: dict[int, str] = {}
    seen: dict[str, int] = {}
    for place, one in enumerate(categories):
        where = f"categories[{place}], id {one.id}"
        name = one.name.strip()
        if one.id in names:
            found = f"{quoted(names[one.id])} and {quoted(name)}"
            raise _refused(file, where, "an id of two categories", "an id for each", found)
        if seen.setdefault(name, one.id) != one.id:
            found = f"{quoted(name)} with the ids {seen[name]} and {one.id}"
            raise _refused(file, where, "a name of two categories", "a name for each", found)
        names[one.id] = name
    if not names:
        raise _refused(file, "categories", "no category", "one or more", "none")
    return names


def _images(entries: Sequence[Image], file: str) -> tuple[list[str], dict[int, Image]]:
    """Return the path of each image, and each image by its id, in the same order."""
    images: dict[int, Image] = {}
    seen: dict[str, int] = {}
    for place, one in enumerate(entries):
        where = f"images[{place}], id {one.id}"
        try:
            path = clean(one.file_name)
        except OddPath as error:
            found = quoted(one.file_name)
            raise _refused(file, where, error.what, error.expected, found, error.remedy) from error
        if one.id in images:
            found = f"{quoted(images[one.id].file_name)} and {quoted(one.file_name)}"
            raise _refused(file, where, "an id of two images", "an id for each", found)
        if seen.setdefault(path, one.id) != one.id:
            found = f"{quoted(path)}, which is of the id {seen[path]}, too"
            raise _refused(file, where, "a path of two images", "a path for each", found)
        images[one.id] = one
    if not images:
        raise _refused(file, "images", "no image", "one or more", "none")
    return list(seen), images


def _check_ids(annotations: Sequence[Annotation], file: str) -> None:
    """Check that each annotation which has an id has one of its own; pycocotools drops others."""
    ids = [one.id for one in annotations if one.id is not None]
    if len(set(ids)) == len(ids):
        return
    seen = set[int | str]()
    for place, one in enumerate(annotations):
        if one.id in seen:
            what, found = "an id of two annotations", f"{one.id}, which stands there before, too"
            remedy = "give each annotation an id of its own, or none to any"
            raise _refused(file, _place(place, one), what, "an id for each", found, remedy)
        if one.id is not None:
            seen.add(one.id)


def _box(
    place: int, one: Annotation, image: Image, names: Mapping[int, str], file: str
) -> AnnotatedBox | None:
    """Return an annotation; None: its box has no area."""
    name = names.get(one.category_id)
    if name is None:
        wanted = f"one of the ids of categories: {abbreviate(map(str, names))}"
        found = str(one.category_id)
        raise _refused(file, _place(place, one), "an unknown category", wanted, found)
    x, y, width, height = one.bbox
    try:
        box = pixel_boxes.fractions((x, y, x + width, y + height), image.width, image.height)
    except pixel_boxes.Outside:
        raise _refused(
            file,
            _place(place, one),
            f"a box outside of the image {quoted(image.file_name)}",
            f"x, y, width, height in pixels within {image.width} x {image.height}",
            str(list(one.bbox)),
        ) from None
    if box is None:
        return None
    flags, known = objects.GROUP if one.iscrowd else 0, objects.GROUP
    if one.attributes:
        said = {bit: one.attributes.get(flag) for flag, bit in FLAGS.items()}
        known += sum(bit for bit, value in said.items() if isinstance(value, bool))
        flags += sum(bit for bit, value in said.items() if value is True)
    return AnnotatedBox(name, box, flags, known, None if one.id is None else str(one.id))


def _place(place: int, one: Annotation) -> str:
    return f"annotations[{place}], " + ("without an id" if one.id is None else f"id {one.id}")


def _refused(
    file: str, place: str, what: str, expected: str, found: str, remedy: str = "correct it"
) -> BadAnnotation:
    return BadAnnotation(
        what, file=file, place=place, expected=expected, found=found, remedy=remedy
    )
