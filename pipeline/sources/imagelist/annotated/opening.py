"""Which lists and folders are annotations with boxes, and what they say, by their form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pipeline import names as rule
from pipeline import storage
from pipeline.catalog import class_table as classtable
from pipeline.catalog.class_table import ClassTable
from pipeline.errors import BadAnnotation, abbreviate
from pipeline.plaintext import quoted
from pipeline.sources.glance import Note, no_note
from pipeline.sources.imagelist.annotated import coco_file, voc_folder
from pipeline.sources.imagelist.annotated.images import AnnotatedImage, AnnotatedList, Annotations
from pipeline.sources.imagelist.table_forms import FORMS
from pipeline.storage import Location

JSON: Final = ".json"
"""What the name of a file of COCO's annotations ends in."""

_LISTS: Final = {".lst", *FORMS}
_MOST_NAMED: Final = 5


def is_annotated(path: Location, extensions: Sequence[str], *, recursive: bool) -> bool:
    """Whether a file is one of COCO, by its name, or a folder one of VOC, by what lies in it.

    Args:
        path: the file or folder.
        extensions: what names of images end in.
        recursive: whether the folders in it are classes: then it is none.
    """
    form = storage.extension(path.name).lower()
    if recursive or form in _LISTS:  # nothing more is asked of a store for these
        return False
    if storage.is_folder(path):
        return voc_folder.is_one(path, extensions)
    return form == JSON


def open_annotations(
    path: Location, table: ClassTable | None, note: Note = no_note
) -> AnnotatedList:
    """Return annotations with their classes numbered, by a table or by the order of their names.

    Args:
        path: what `is_annotated` says is some.
        table: the classes; None: all that the annotations name, sorted.
        note: called with each folder, and each file in it, before it is read.

    Raises:
        BadAnnotation: see `coco_file.parse`, `coco_file.interpret` and `voc_folder.read`; no object
            has a class; the name of a class is not in the table.
    """
    said = _read(path, note)
    names = said.names
    if table is not None:
        shown = {one.name for image in said.images for one in image.boxes}
        names = [name for name in names if name in shown]
    _check(path, names, table, said.images)
    classes, _ = classtable.number(classtable.in_order(names), table, path)
    return AnnotatedList(path, classes, said.notes, said)


def _read(path: Location, note: Note) -> Annotations:
    if storage.is_folder(path):
        return voc_folder.read(path, note)
    with storage.open_ranges(path) as file:
        document = coco_file.parse(file.read(0, file.info.size), str(path))
    return coco_file.interpret(document, str(path))


def _check(
    path: Location,
    names: Sequence[str],
    table: ClassTable | None,
    images: Sequence[AnnotatedImage],
) -> None:
    if not names:
        raise BadAnnotation(
            "no object has a class",
            file=str(path),
            expected="annotations of objects, each with a class",
            found="none",
            remedy="give other annotations; images without any are taken as a folder or a list",
        )
    for name in names:
        if table is not None and classtable.normal(name) not in table.labels:
            near = rule.meant(name, table.names)
            raise BadAnnotation(
                "a class that the table of classes does not have"
                + (f"; did you mean {quoted(near)}?" if near else ""),
                file=str(path),
                place=f"the annotations of {quoted(_first_with(name, images))}",
                expected=f"one of its {len(table.names):,} classes:"
                f" {abbreviate(table.names, _MOST_NAMED)}",
                found=quoted(name),
                remedy="correct it, or add it at the end of a copy of the table, and give that"
                " with --classes",
            )


def _first_with(name: str, images: Sequence[AnnotatedImage]) -> str:
    """Return the path of the first image on which there is an object of a class; one is."""
    return next(image.path for image in images if any(name == box.name for box in image.boxes))
