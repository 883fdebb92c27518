"""The annotations of the sample: XML in the layout of ILSVRC2012's, and the defects of a few."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from pipeline.sample.shapes import Drawing

Defect = Literal[
    "misordered",  # xmin and xmax of the first object have changed places
    "beyond",  # its right edge lies outside the image
    "outside",  # all of it does
    "fraction",  # its xmin is no whole number
    "unnamed",  # <filename> is %s
    "common name",  # the first object is named by a word, such as Scottish_deerhound
    "other class",  # the second object is of another class of the table
]
DEFECTS: tuple[Defect, ...] = get_args(Defect)

_Corners = tuple[float, float, float, float]
_BEYOND = 16  # pixels
_ANNOTATION = """\
<annotation>
\t<folder>{folder}</folder>
\t<filename>{filename}</filename>
\t<source>
\t\t<database>ILSVRC_2012</database>
\t</source>
\t<size>
\t\t<width>{width}</width>
\t\t<height>{height}</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>0</segmented>
{objects}</annotation>
"""
_OBJECT = """\
\t<object>
\t\t<name>{name}</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>0</difficult>
\t\t<bndbox>
\t\t\t<xmin>{box[0]}</xmin>
\t\t\t<ymin>{box[1]}</ymin>
\t\t\t<xmax>{box[2]}</xmax>
\t\t\t<ymax>{box[3]}</ymax>
\t\t</bndbox>
\t</object>
"""
_SPOILED_CORNERS: Mapping[Defect, Callable[[_Corners, int], _Corners]] = {  # of a box, and a width
    "misordered": lambda box, _: (box[2], box[1], box[0], box[3]),
    "beyond": lambda box, width: (box[0], box[1], width + _BEYOND, box[3]),
    "outside": lambda box, width: (box[0] + width, box[1], box[2] + width, box[3]),
    "fraction": lambda box, _: (box[0] + 0.75, *box[1:]),
}


@dataclass(frozen=True, slots=True)
class DrawnObject:
    """One ``<object>``: its class, and xmin, ymin, xmax, ymax in pixels."""

    name: str
    corners: _Corners


@dataclass(frozen=True, slots=True)
class DrawnAnnotation:
    """What an annotation of the sample says; `folder` and `filename` as they are written."""

    folder: str
    filename: str
    width: int
    height: int
    objects: tuple[DrawnObject, ...]


def annotate(image: Drawing, wnid: str, folder: str, stem: str) -> DrawnAnnotation:
    """Return the true annotation of an image that shows objects of one class."""
    objects = tuple(DrawnObject(wnid, box) for box in image.boxes)
    return DrawnAnnotation(folder, stem, image.width, image.height, objects)


def spoil(
    annotation: DrawnAnnotation, defect: Defect, *, common_name: str, other_class: str
) -> DrawnAnnotation:
    """Return an annotation with one of the defects that the published ones have.

    Args:
        annotation: a true one.
        defect: which.
        common_name: for ``common name``: the class in words.
        other_class: for ``other class``: the WNID of a class that is not the image's.
    """
    first, *others = annotation.objects
    if defect == "unnamed":
        return replace(annotation, filename="%s")
    if defect == "other class":
        others.insert(0, DrawnObject(other_class, first.corners))
    elif defect == "common name":
        first = replace(first, name=common_name.replace(" ", "_"))
    else:
        spoiled = _SPOILED_CORNERS[defect](first.corners, annotation.width)
        first = replace(first, corners=spoiled)
    return replace(annotation, objects=(first, *others))


def annotation_xml(annotation: DrawnAnnotation) -> bytes:
    """Return an annotation in the layout of ILSVRC2012's files (PASCAL VOC, tabs)."""
    objects = "".join(
        _OBJECT.format(name=each.name, box=each.corners) for each in annotation.objects
    )
    return _ANNOTATION.format(
        folder=annotation.folder,
        filename=annotation.filename,
        width=annotation.width,
        height=annotation.height,
        objects=objects,
    ).encode()
