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

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from pipeline import names as rule
from pipeline.catalog import objects
from pipeline.errors import BadAnnotation, abbreviate
from pipeline.plaintext import quoted
from pipeline.quantities import counted
from pipeline.sources.imagelist.annotated import pixel_boxes
from pipeline.sources.imagelist.annotated.images import (
    RENAME,
    AnnotatedBox,
    AnnotatedImage,
    Annotations,
)
from pipeline.sources.imagelist.doubled_keys import doubled_at_the_top, doubled_key
from pipeline.sources.imagelist.image_paths import OddPath, clean

_Id = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
_Pixels = Annotated[int, Meta(ge=1, le=1 << 20)]

FLAGS: Final = ("occluded", "truncated", "depiction", "inside", "difficult")
"""What `attributes` may say of an object, true or false."""

_EXPECTED: Final = (
    "a JSON object with images (id, file_name, width, height), categories (id, name) and"
    " annotations (image_id, category_id, bbox), as COCO's instances_*.json"
)
_LEAVE_OUT: Final = (
    "jq 'INDEX(.images[]; .id) as $has | .annotations |= map(select($has[.image_id | tostring]))'"
    " FILE > NEW.json"
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
        BadAnnotation: it is no JSON, cut, or not of that form; a key stands twice in the document
            or in an entry.
    """
    try:
        document = msgspec.json.decode(content, type=Document)
        _check_keys(content, file)
        return document
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


def _check_keys(content: bytes | memoryview, file: str) -> None:
    """Check that each key of the document, and of each entry, stands there once."""
    values = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    if (key := doubled_at_the_top(content, values)) is not None:
        raise _twice(file, "the document", key)
    for section in Document.__struct_fields__:
        entries = msgspec.json.decode(values[section], type=list[msgspec.Raw])
        for place, entry in enumerate(entries):
            if (key := doubled_key(memoryview(entry))) is not None:
                raise _twice(file, f"{section}[{place}]", key)


def _twice(file: str, place: str, key: str) -> BadAnnotation:
    what, remedy = "a key that stands there twice", "take one of the two out, with its value"
    return _refused(file, place, what, "each key once", f"{quoted(key)} twice", remedy)


def interpret(document: Document, file: str = "") -> Annotations:
    """Return what a document says of its images; `file` is what errors call it.

    Boxes without an area are left out and counted.

    Raises:
        BadAnnotation: an id, a path or a name of a category stands there twice; a path leaves the
            root; a category can be no class; an annotation is of an image or a category that is
            not there, or has a box outside of its image; no image or no category is there.
    """
    names = _names(document.categories, file)
    paths, images = _images(document.images, file)
    _check_ids(document.annotations, file)
    boxes: dict[int, list[AnnotatedBox]] = {}
    empty = 0
    for place, one in enumerate(document.annotations):
        image = images.get(one.image_id)
        if image is None:
            raise _without_image(place, one, document, images.keys(), file)
        box = _box(place, one, image, names, file)
        if box is None:
            empty += 1
        else:
            boxes.setdefault(one.image_id, []).append(box)
    return Annotations(
        [
            AnnotatedImage(
                path, image.id, image.width, image.height, tuple(boxes.get(image.id, ()))
            )
            for path, image in zip(paths, images.values(), strict=True)
        ],
        list(names.values()),
        (f"left out: {counted(empty, 'box')} without an area",) if empty else (),
    )


def _without_image(
    place: int, one: Annotation, document: Document, known: Collection[int], file: str
) -> BadAnnotation:
    """Return the refusal of an annotation that is of none of the images of its file."""
    others = sum(each.image_id not in known for each in document.annotations) - 1
    more = f", and {counted(others, 'other annotation')} of such images" if others else ""
    return _refused(
        file,
        _place(place, one),
        "an annotation of an image that the file does not have",
        f"one of the ids of images: {abbreviate(map(str, known))}",
        f"image_id {one.image_id}{more}",
        f"give images that entry, or leave such annotations out: {_LEAVE_OUT}",
    )


def _names(categories: Sequence[Category], file: str) -> dict[int, str]:
    """Return the name of each category by its id."""
    names: dict[int, str] = {}
    seen: dict[str, int] = {}
    for place, one in enumerate(categories):
        where = f"categories[{place}], id {one.id}"
        name = one.name.strip()
        if flaw := rule.folder_flaw(name):
            what = f"a category that can be no class: {flaw}"
            raise _refused(file, where, what, "the name of a class", quoted(name), RENAME)
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
        said = {objects.FLAGS[flag]: one.attributes.get(flag) for flag in FLAGS}
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
