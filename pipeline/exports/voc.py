"""PASCAL VOC: an XML document of the objects on each image.

::

    voc/Annotations/<split>/<name>.xml      beside the name of the image in its split's folder
    voc/ImageSets/Main/<split>.txt          <split>/<name> of each image, a line each
    voc/labelmap.txt                        the names of classes, as Datumaro reads them

Images are looked for in voc/JPEGImages/<split>/, which is for the user to put or to link there.

Source: the VOC2012 development kit. Corners are whole pixels from 1, of which both belong to the
object: a box is the smallest one of whole pixels that covers what was annotated. What has no area
is no object.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape

from pipeline import digests
from pipeline.catalog import details
from pipeline.exports import described_images, small_files
from pipeline.exports.base import ANY_PATH, ExportPlan, ExportWork, SetView
from pipeline.exports.described_images import DescribedImage, DescribedObject, Tally
from pipeline.exports.of_objects import (
    VERSION_OF_FORM,
    ExportOfObjects,
    class_names,
    of_small_files,
)
from pipeline.manifest import Document
from pipeline.storage import StagedFile, below

VERSION: Final = 1
_FOLDER: Final = "voc"
_ANNOTATIONS: Final = f"{_FOLDER}/Annotations"
_LABELS: Final = f"{_FOLDER}/labelmap.txt"
_IMAGES: Final = "JPEGImages"
"""Where readers look for images: names of files and of lists are relative to it."""
_OF_LABELS: Final = "voclabels"
_NEARLY: Final = 1e-3  # pixels: fractions are rounded numbers
_OTHER_CLASS: Final = "object of a class that is none of the label table left out"
_EMPTY: Final = "object whose box has no area left out"


class Voc(ExportOfObjects):
    """The objects on each image, as PASCAL VOC describes them."""

    name = "voc"
    on_a_disk = "it is a small file for each image"

    def files(self, folder: str) -> tuple[str, ...]:
        """Return the list of a split's images, and the names of classes."""
        return f"{_FOLDER}/ImageSets/Main/{folder}.txt", _LABELS

    def file_of_image(self, folder: str, stem: str) -> str:
        """Return the document of an image."""
        return f"{_ANNOTATIONS}/{folder}/{stem}.xml"

    def small_files(self, folder: str) -> tuple[str, ...]:
        """Return the documents of images."""
        return (self.file_of_image(folder, ANY_PATH),)

    def plan(self, data: SetView) -> Iterator[ExportPlan]:
        """Yield the documents of each split that has boxes, and the names of classes."""
        version = {VERSION_OF_FORM: str(VERSION)}
        yield from of_small_files(self, data, VERSION, _ANNOTATIONS)
        yield ExportPlan(
            kind=_OF_LABELS,
            files=(below(data.out, _LABELS),),
            digest=digests.digest({"labels": data.table.digest, "version": VERSION}),
            made_of=version,
        )

    def write(self, work: ExportWork, staged: Sequence[StagedFile]) -> Document:
        """Write the documents of a split, or the names of classes."""
        if work.plan.kind == _OF_LABELS:
            staged[0].write(label_map(class_names(work.data)).encode())
            return {}
        images, listing = staged
        tally, split = Tally(), work.data.splits[work.plan.split]
        folder = work.plan.folder or below(work.data.out, _ANNOTATIONS, split.name)
        names = class_names(work.data)

        def documents() -> Iterator[tuple[str, bytes]]:
            for image in described_images.read(split, work.left_out, tally):
                images.write(f"{split.name}/{image.stem}\n".encode())
                content = document(image, split.name, names, tally)
                yield f"{image.stem}.xml", content.encode()

        small_files.fill(work.data.out, folder, listing, documents())
        return {"closing": tally.closing(f"VOC, {split.name}")}


def document(image: DescribedImage, split: str, names: Sequence[str], tally: Tally) -> str:
    """Return the document of an image.

    Args:
        image: the image.
        split: the name of its split.
        names: of the classes, by index.
        tally: counts what is left out.
    """
    filename = f"{split}/{image.name}"
    lines = [
        "<annotation>",
        f"\t<folder>{_IMAGES}</folder>",
        f"\t<filename>{escape(filename)}</filename>",
        f"\t<source><image>{escape(image.image_id)}</image></source>",
        "\t<size>",
        f"\t\t<width>{image.width}</width>",
        f"\t\t<height>{image.height}</height>",
        "\t\t<depth>3</depth>",
        "\t</size>",
        "\t<segmented>0</segmented>",
    ]
    for one in image.objects:
        if one.class_index < 0:
            tally.note(_OTHER_CLASS)
        elif not one.has_area:
            tally.note(_EMPTY)
        else:
            lines += _object(image, one, names[one.class_index])
    return "\n".join((*lines, "</annotation>", ""))


def _object(image: DescribedImage, one: DescribedObject, name: str) -> Iterator[str]:
    flags = dict(zip(details.FLAGS, one.flags, strict=True))
    xmin, xmax = whole_pixels(one.xmin, one.xmax, image.width)
    ymin, ymax = whole_pixels(one.ymin, one.ymax, image.height)
    yield "\t<object>"
    yield f"\t\t<name>{escape(name)}</name>"
    yield "\t\t<pose>Unspecified</pose>"
    for flag in ("truncated", "occluded"):
        yield f"\t\t<{flag}>{int(flags[flag] == 1)}</{flag}>"
    yield f"\t\t<difficult>{int(one.is_difficult)}</difficult>"
    yield "\t\t<bndbox>"
    for corner, pixel in (("xmin", xmin), ("ymin", ymin), ("xmax", xmax), ("ymax", ymax)):
        yield f"\t\t\t<{corner}>{pixel}</{corner}>"
    yield "\t\t</bndbox>"
    yield "\t</object>"


def whole_pixels(start: float, stop: float, size: int) -> tuple[int, int]:
    """Return the first and the last pixel of a side of a box, from 1.

    Args:
        start: where it begins, as a fraction.
        stop: where it ends, as a fraction; more than `start`.
        size: pixels of that side of the image.
    """
    first = math.floor(start * size + _NEARLY) + 1
    last = math.ceil(stop * size - _NEARLY)
    first = min(max(first, 1), size)
    return first, min(max(last, first), size)


def label_map(names: Sequence[str]) -> str:
    """Return the names of classes in the form of Datumaro: name, colour, parts and actions."""
    lines = ["# label:color_rgb:parts:actions", "background:::"]
    return "\n".join((*lines, *(f"{name.replace(':', ' ')}:::" for name in names), ""))
