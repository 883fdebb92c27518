"""A folder of annotations in the XML of PASCAL VOC, a file for each image.

Corners are whole pixels from 1, of which both belong to the object, as the VOC development kits
say: xmin 1 and xmax 500 are the edges of an image of 500 pixels. 0 is taken for 1. Of the flags
truncated, difficult and occluded are kept.

An image is called as ``<filename>`` says: relative to the root where that has a slash, else in the
folder of the root that is called as that of the annotation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from pipeline import names as rule
from pipeline import storage
from pipeline.annotations.voc import AnnotatedObject, Annotation, parse_annotation
from pipeline.errors import BadAnnotation
from pipeline.plaintext import quoted
from pipeline.quantities import counted
from pipeline.sources.glance import Note, no_note
from pipeline.sources.imagelist.annotated import pixel_boxes
from pipeline.sources.imagelist.annotated.images import (
    RENAME,
    AnnotatedBox,
    AnnotatedImage,
    Annotations,
)
from pipeline.sources.imagelist.image_paths import OddPath, clean
from pipeline.storage import Location
from pipeline.storage.clutter import is_clutter

_XML: Final = ".xml"


def is_one(folder: Location, extensions: Sequence[str]) -> bool:
    """Whether the first file in a folder, or in those in it, that could be either is an annotation.

    Args:
        folder: the folder.
        extensions: what names of images end in.
    """
    for _, names in _walk(folder, no_note):
        kinds = {storage.extension(name).lower() for name in names}
        if not kinds.isdisjoint(extensions):
            return False
        if _XML in kinds:
            return True
    return False


def read(folder: Location, note: Note = no_note) -> Annotations:
    """Read all annotations in a folder and in those in it, in the order of their names.

    Args:
        folder: the folder.
        note: called with each folder, and each annotation, before it is read.

    Raises:
        BadAnnotation: see `image_of`; two are of one image; there are boxes, and none has an area;
            the file is named.
    """
    images, others, empty = dict[str, AnnotatedImage](), dict[str, str](), 0
    first_empty, strays = folder, 0
    for inner, names in _walk(folder, note):
        for name in names:
            if storage.extension(name).lower() != _XML:
                strays += 1
                continue
            relative = f"{inner}/{name}" if inner else name
            place = storage.below(folder, relative)
            note(place)
            image, without_area = _read(place, relative, len(images))
            if image.path in images:
                raise BadAnnotation(
                    "two annotations are of one image",
                    file=str(place),
                    expected="an annotation for each image",
                    found=f"{quoted(image.path)}, which {others[image.path]} is of, too",
                    remedy="correct <filename>, or take one of them away",
                )
            images[image.path], others[image.path] = image, relative
            first_empty = place if without_area and not empty else first_empty
            empty += without_area
    names = sorted({one.name for image in images.values() for one in image.boxes})
    if empty and not names:
        raise BadAnnotation(
            "no object has a box with an area",
            file=str(first_empty),
            expected="an xmax that is no less than xmin, and a ymax that is no less than ymin",
            found=f"{counted(empty, 'box')} without an area, the first of them here",
            remedy="correct the corners, which are pixels from 1 to the <size> of the image",
        )
    notes = {
        f"{counted(empty, 'box')} without an area": empty,
        f"{counted(strays, 'file')} beside the annotations": strays,
    }
    return Annotations(
        list(images.values()),
        names,
        tuple(f"left out: {said}" for said, count in notes.items() if count),
    )


def image_of(annotation: Annotation, relative: str, number: int) -> tuple[AnnotatedImage, int]:
    """Return what an annotation says of its image, and how many boxes without an area it has.

    Args:
        annotation: as it was parsed.
        relative: its path in the folder of annotations.
        number: what the image is called.

    Raises:
        BadAnnotation: it does not say the file of its image; an object has no name, or one that
            can be no class, corners that cannot be read, or a box outside of the image.
    """
    boxes = [_box(place, one, annotation) for place, one in enumerate(annotation.objects, start=1)]
    image = AnnotatedImage(
        _path(annotation.filename, relative),
        number,
        annotation.width,
        annotation.height,
        tuple(box for box in boxes if box is not None),
    )
    return image, boxes.count(None)


def _read(place: Location, relative: str, number: int) -> tuple[AnnotatedImage, int]:
    try:
        return image_of(parse_annotation(storage.read_bytes(place)), relative, number)
    except BadAnnotation as error:
        raise error.altered(file=str(place)) from error


def _walk(folder: Location, note: Note) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder, relative, and the sorted names of the files in it; clutter is no file."""
    pending = [""]
    while pending:
        inner = pending.pop()
        place = storage.below(folder, inner)
        note(place)
        entries = [entry for entry in sorted(storage.kinds(place)) if not is_clutter(entry.name)]
        yield inner, [entry.name for entry in entries if entry.kind == "file"]
        folders = [entry.name for entry in entries if entry.kind == "folder"]
        pending += [f"{inner}/{name}" if inner else name for name in reversed(folders)]


def _path(filename: str, relative: str) -> str:
    """Return the path of an image, by what its annotation says and where that lies."""
    if not storage.extension(filename):
        raise BadAnnotation(
            "the annotation does not say which file its image is",
            place="<filename>",
            expected="the name of a file, such as 1.jpg",
            found=quoted(filename) if filename else "nothing",
            remedy="write it into <filename>",
        )
    above = relative.rpartition("/")[0]
    joined = filename if "/" in filename or not above else f"{above}/{filename}"
    try:
        return clean(joined)
    except OddPath as error:
        raise BadAnnotation(
            error.what,
            place="<filename>",
            expected=error.expected,
            found=quoted(filename),
            remedy=error.remedy,
        ) from error


def _box(place: int, one: AnnotatedObject, annotation: Annotation) -> AnnotatedBox | None:
    """Return an object; None: its box has no area."""
    if one.corners is None or not one.name:
        raise BadAnnotation(
            "an object without a class or a box",
            place=f"object {place}",
            expected="one <name>, and one <bndbox> of four numbers",
            found=one.problem or "no <name>",
            remedy="correct it, or take the object out",
        )
    if flaw := rule.folder_flaw(one.name):
        raise BadAnnotation(
            f"a <name> that can be no class: {flaw}",
            place=f"object {place}",
            expected="the name of a class",
            found=quoted(one.name),
            remedy=RENAME,
        )
    xmin, ymin, xmax, ymax = one.corners
    width, height = annotation.width, annotation.height
    try:
        box = pixel_boxes.fractions((xmin - 1, ymin - 1, xmax, ymax), width, height)
    except pixel_boxes.Outside:
        raise BadAnnotation(
            "a box outside of its image",
            place=f"object {place}",
            expected=f"corners in pixels from 1 to {width} and to {height}",
            found=f"xmin {xmin}, ymin {ymin}, xmax {xmax}, ymax {ymax}",
            remedy="correct the box, or the <size> of the image",
        ) from None
    return None if box is None else AnnotatedBox(one.name, box, one.flags, one.known)
